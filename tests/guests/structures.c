/* Memory and control: packed fields, half words, recursion, a jump table, calls through pointers. */
#include "runtime.h"

struct __attribute__((packed)) packet { u8 kind; u32 length; u16 port; u64 stamp; };

static u32 fields(void)
{
    static struct packet packets[8];
    u32 sum = 0;

    for (u32 n = 0; n < 8; n++) {
        packets[n].kind = (u8)n;
        packets[n].length = 0x01020304u * n;
        packets[n].port = (u16)(0xf00f + n);
        packets[n].stamp = 0x0123456789abcdefull << n;
    }
    for (u32 n = 0; n < 8; n++)
        sum = sum * 33 + packets[n].kind + packets[n].length + packets[n].port + (u32)(packets[n].stamp >> 16);
    return sum;
}

static u32 moves(u32 discs)
{
    return discs ? 2 * moves(discs - 1) + 1 : 0;
}

static u32 act(u32 code, u32 value)
{
    switch (code & 7) {
    case 0: return value + 3;
    case 1: return value * 5;
    case 2: return value ^ 0x5a5a;
    case 3: return value >> 3;
    case 4: return value << 5;
    case 5: return ~value;
    case 6: return value - 77;
    default: return value | 1;
    }
}

static u32 twice(u32 x)  { return 2 * x; }
static u32 square(u32 x) { return x * x; }
static u32 less(u32 x)   { return x - 1; }

static u32 calls(void)
{
    static u32 (*const table[])(u32) = { twice, square, less };
    u32 value = 3;

    for (u32 n = 0; n < 30; n++)
        value = table[n % 3](value);
    return value;
}

int guest_main(void)
{
    u32 value = 1;

    for (u32 n = 0; n < 1000; n++)
        value = act(n * 7 + (value & 3), value);
    put_line("fields", fields());
    put_line("moves", moves(12));
    put_line("switch", value);
    put_line("calls", calls());
    return 7;
}
