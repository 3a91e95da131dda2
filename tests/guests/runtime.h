/* What a guest program may use. */
#ifndef RUNTIME_H
#define RUNTIME_H

typedef unsigned char      u8;
typedef unsigned short     u16;
typedef unsigned int       u32;
typedef unsigned long long u64;

int  guest_main(void);                  /* the program; its result is the exit status */
void put_string(const char *text);
void put_decimal(u32 value);
void put_hex(u32 value);
void put_line(const char *name, u32 value);
void power_off(int status);

#endif
