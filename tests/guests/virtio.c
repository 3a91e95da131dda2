/* Drives virtio cards over PCI by polling: numbers from an entropy card, then a sector of a disk copied to the next. */
#include "runtime.h"

#define UNCACHED(physical) ((long)(int)(0xa0000000u | (physical)))
#define PHYSICAL(pointer)  ((u32)(long)(pointer) & 0x1fffffff)
#define GT(offset)         (*(volatile u32 *)UNCACHED(0x1be00000u + (offset)))
#define WINDOWS            0x10000000u

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define LE16(x) __builtin_bswap16(x)
#define LE32(x) __builtin_bswap32(x)
#else
#define LE16(x) (x)
#define LE32(x) (x)
#endif

enum { COMMON = 1, NOTIFY, ISR, DEVICE, KINDS };                /* parts of a card, as its capabilities number them */
enum { QUEUE = 8, NEXT = 1, WRITE = 2, SECTOR = 512 };

struct card {
    u32 slot;
    long part[KINDS];
    u16 index, seen;
};

static struct { u32 address, high, size; u16 flags, next; } descriptors[QUEUE] __attribute__((aligned(16)));
static volatile struct { u16 flags, index, ring[QUEUE]; } available __attribute__((aligned(16)));
static volatile struct { u16 flags, index; struct { u32 id, size; } ring[QUEUE]; } used __attribute__((aligned(16)));

/* -- configuration space: the controller's own register is little-endian, the data comes in the CPU's order ---------- */

static volatile u32 *config(u32 slot, u32 at)
{
    GT(0xcf8) = LE32(1u << 31 | slot << 11 | at);
    return &GT(0xcfc);
}

static u32 config_byte(u32 slot, u32 at)
{
    return *config(slot, at & ~3u) >> 8 * (at & 3) & 0xff;
}

static int find(struct card *card, u32 device)
{
    for (card->slot = 18; card->slot < 22; card->slot++)
        if (*config(card->slot, 0) == (device << 16 | 0x1af4)) {
            u32 base = WINDOWS + (card->slot << 16);
            *config(card->slot, 0x10) = base;
            *config(card->slot, 0x14) = base + 0x1000;
            *config(card->slot, 0x04) = 6;
            for (u32 at = config_byte(card->slot, 0x34); at; at = config_byte(card->slot, at + 1)) {
                u32 kind = config_byte(card->slot, at + 3);
                if (config_byte(card->slot, at) == 9 && kind < KINDS)
                    card->part[kind] = UNCACHED(base + 0x1000 * config_byte(card->slot, at + 4)
                                                + *config(card->slot, at + 8));
            }
            return 1;
        }
    return 0;
}

/* -- the card ------------------------------------------------------------------------------------------------------ */

#define REGISTER8(card, kind, at)  (*(volatile u8 *)((card)->part[kind] + (at)))
#define REGISTER16(card, kind, at) (*(volatile u16 *)((card)->part[kind] + (at)))
#define REGISTER32(card, kind, at) (*(volatile u32 *)((card)->part[kind] + (at)))

static void lay(struct card *card, u32 at, const volatile void *table)
{
    REGISTER32(card, COMMON, at) = LE32(PHYSICAL(table));
    REGISTER32(card, COMMON, at + 4) = 0;
}

static int start(struct card *card)
{
    card->index = card->seen = available.index = used.index = available.flags = 0;
    REGISTER8(card, COMMON, 0x14) = 0;
    REGISTER8(card, COMMON, 0x14) = 3;
    REGISTER32(card, COMMON, 0x08) = LE32(1);                   /* VIRTIO_F_VERSION_1 and nothing else */
    REGISTER32(card, COMMON, 0x0c) = LE32(1);
    REGISTER8(card, COMMON, 0x14) = 11;
    if (REGISTER8(card, COMMON, 0x14) != 11)
        return 0;
    REGISTER16(card, COMMON, 0x16) = 0;
    REGISTER16(card, COMMON, 0x18) = LE16(QUEUE);
    lay(card, 0x20, descriptors);
    lay(card, 0x28, &available);
    lay(card, 0x30, &used);
    REGISTER16(card, COMMON, 0x1c) = LE16(1);
    REGISTER8(card, COMMON, 0x14) = 15;
    return REGISTER8(card, COMMON, 0x14) == 15;
}

static void describe(u32 slot, const void *data, u32 size, u32 flags)
{
    descriptors[slot].address = LE32(PHYSICAL(data));
    descriptors[slot].high = 0;
    descriptors[slot].size = LE32(size);
    descriptors[slot].flags = LE16((u16)flags);
    descriptors[slot].next = LE16((u16)(slot + 1));
}

/* The chain from descriptor 0 on; how many bytes were written into it. */
static u32 ask(struct card *card)
{
    available.ring[card->index % QUEUE] = 0;
    available.index = LE16(++card->index);
    REGISTER16(card, NOTIFY, 0) = 0;
    while (used.index == LE16(card->seen))
        ;
    if (REGISTER8(card, ISR, 0) != 1 || REGISTER8(card, ISR, 0) != 0)
        return 0;
    return LE32(used.ring[card->seen++ % QUEUE].size);
}

static u32 request(struct card *disk, u32 what, u32 sector, void *data)
{
    static struct { u32 what, zero, sector, high; } header;
    static volatile u8 end;

    header.what = LE32(what);
    header.sector = LE32(sector);
    end = 0xff;
    describe(0, &header, sizeof header, NEXT);
    describe(1, data, SECTOR, NEXT | (what ? 0 : WRITE));
    describe(2, (const void *)&end, 1, WRITE);
    ask(disk);
    return end;
}

static u32 hash(const u8 *data, u32 size)                       /* FNV-1a */
{
    u32 sum = 0x811c9dc5;

    while (size--)
        sum = (sum ^ *data++) * 0x01000193;
    return sum;
}

int guest_main(void)
{
    static u8 numbers[100], sector[SECTOR] __attribute__((aligned(8)));
    static struct card entropy, disk;

    if (!find(&entropy, 0x1044) || !start(&entropy))
        return 1;
    for (int n = 0; n < 10; n++) {                              /* around the ring */
        describe(0, numbers, sizeof numbers, WRITE);
        if (ask(&entropy) != sizeof numbers)
            return 2;
    }
    put_line("entropy", hash(numbers, sizeof numbers));
    if (!find(&disk, 0x1042) || !start(&disk))
        return 3;
    put_line("sectors", LE32(REGISTER32(&disk, DEVICE, 0)));
    if (request(&disk, 0, 1, sector))
        return 4;
    put_line("sector", hash(sector, SECTOR));
    if (request(&disk, 1, 2, sector))
        return 5;
    put_line("beyond", request(&disk, 1, 4, sector));
    return 0;
}
