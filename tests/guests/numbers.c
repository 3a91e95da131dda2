/* Integer work: a sieve, a hash of 64-bit products, a checksum over a table, division. */
#include "runtime.h"

#define LIMIT 5000

static u8 composite[LIMIT + 1];

static u32 primes(void)
{
    u32 found = 0;

    for (u32 n = 2; n <= LIMIT; n++) {
        if (composite[n])
            continue;
        found++;
        for (u32 k = 2 * n; k <= LIMIT; k += n)
            composite[k] = 1;
    }
    return found;
}

static u32 fnv(u32 rounds)
{
    u64 hash = 0xcbf29ce484222325ull;

    for (u32 n = 0; n < rounds; n++)
        hash = (hash ^ (n & 0xff)) * 0x100000001b3ull;
    return (u32)(hash >> 32) ^ (u32)hash;
}

static u32 crc(const u8 *data, u32 size)
{
    u32 value = ~0u;

    for (u32 n = 0; n < size; n++) {
        value ^= data[n];
        for (int bit = 0; bit < 8; bit++)
            value = value >> 1 ^ (value & 1 ? 0xedb88320u : 0);
    }
    return ~value;
}

static u32 digits(u32 value)
{
    u32 sum = 0;

    for (; value; value /= 7)
        sum = sum * 31 + value % 7;
    return sum;
}

int guest_main(void)
{
    put_string("primes ");
    put_decimal(primes());
    put_string("\n");
    put_line("fnv", fnv(3000));
    put_line("crc", crc(composite, sizeof composite));
    put_line("digits", digits(0xdeadbeef));
    return 0;
}
