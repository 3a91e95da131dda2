/* Console and end of a guest on the Malta board: the 16550 at physical 0x180003f8, the FPGA's registers. */
#include "runtime.h"

#define UNCACHED(physical) ((long)(int)(0xa0000000u | (physical)))
#define UART(reg)   (*(volatile u8 *)UNCACHED(0x180003f8u + (reg)))
#define ASCIIWORD   (*(volatile u32 *)UNCACHED(0x1f000410u))
#define SOFTRES     (*(volatile u32 *)UNCACHED(0x1f000500u))
#define LSR_THRE    0x20

static void put_byte(char c)
{
    while (!(UART(5) & LSR_THRE))
        ;
    UART(0) = (u8)c;
}

void put_string(const char *text)
{
    while (*text)
        put_byte(*text++);
}

void put_decimal(u32 value)
{
    char digits[11];
    int n = 10;

    digits[n] = 0;
    do {
        digits[--n] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    put_string(digits + n);
}

void put_hex(u32 value)
{
    for (int shift = 28; shift >= 0; shift -= 4)
        put_byte("0123456789abcdef"[value >> shift & 15]);
}

void put_line(const char *name, u32 value)
{
    put_string(name);
    put_string(" 0x");
    put_hex(value);
    put_byte('\n');
}

void power_off(int status)
{
    ASCIIWORD = (u32)status;
    SOFTRES = 0x42;
    for (;;)
        ;
}

void *memcpy(void *to, const void *from, __SIZE_TYPE__ size)
{
    for (__SIZE_TYPE__ n = 0; n < size; n++)
        ((u8 *)to)[n] = ((const u8 *)from)[n];
    return to;
}

void *memset(void *to, int value, __SIZE_TYPE__ size)
{
    for (__SIZE_TYPE__ n = 0; n < size; n++)
        ((u8 *)to)[n] = (u8)value;
    return to;
}
