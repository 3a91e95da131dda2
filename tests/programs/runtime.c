#include <stdarg.h>
#include "runtime.h"

void begin(long *stack)
{
    int argc = (int)stack[0];
    die(main(argc, (char **)(stack + 1), (char **)(stack + argc + 2)));
}

void die(int status)
{
    for (;;)
        call(__NR_exit_group, (long)status);
}

static char *number(char *to, unsigned long value, unsigned base)
{
    char digits[24];
    int count = 0;
    do
        digits[count++] = "0123456789abcdef"[value % base];
    while (value /= base);
    while (count)
        *to++ = digits[--count];
    return to;
}

void say(const char *format, ...)
{
    char line[200], *to = line;
    va_list list;
    va_start(list, format);
    for (; *format; format++) {
        if (*format != '%') {
            *to++ = *format;
            continue;
        }
        if (*++format == 's') {
            for (const char *text = va_arg(list, const char *); *text;)
                *to++ = *text++;
            continue;
        }
        long value = va_arg(list, long);
        if (*format == 'd' && value < 0) {
            *to++ = '-';
            value = -value;
        }
        to = number(to, (unsigned long)value, *format == 'd' ? 10 : 16);
    }
    va_end(list);
    call(__NR_write, 1L, line, (long)(to - line));
}

void *map(long size, int prot, int flags)
{
#ifdef __NR_mmap2
    return (void *)call(__NR_mmap2, 0L, size, (long)prot, (long)flags, -1L, 0L);
#else
    return (void *)call(__NR_mmap, 0L, size, (long)prot, (long)flags, -1L, 0L);
#endif
}

void spawn(int *tid, void (*body)(void *), void *argument)
{
    char *stack = map(STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    *tid = 1;
    long made = start_thread(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_CHILD_CLEARTID,
                             stack + STACK, tid, body, argument);
    if (made < 0) {
        say("clone: %d\n", made);
        die(99);
    }
}

void join(int *tid)
{
    while (__atomic_load_n(tid, __ATOMIC_SEQ_CST))
        call(__NR_futex, tid, (long)FUTEX_WAIT, 1L, NULL, NULL, 0L);
}

/* 0 free, 1 taken, 2 taken and somebody waits */
void lock(int *word)
{
    int old = 0;
    if (__atomic_compare_exchange_n(word, &old, 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return;
    while (__atomic_exchange_n(word, 2, __ATOMIC_SEQ_CST))
        call(__NR_futex, word, (long)FUTEX_WAIT_PRIVATE, 2L, NULL, NULL, 0L);
}

void unlock(int *word)
{
    if (__atomic_exchange_n(word, 0, __ATOMIC_SEQ_CST) == 2)
        call(__NR_futex, word, (long)FUTEX_WAKE_PRIVATE, 1L, NULL, NULL, 0L);
}

void handle(int signal, void (*handler)(int, struct siginfo_start *, void *), int flags)
{
    struct { unsigned flags; void *handler; unsigned long mask[16 / sizeof(long)]; } action = {
        .flags = SA_SIGINFO | flags, .handler = handler};
    call(__NR_rt_sigaction, (long)signal, &action, NULL, 16L);
}

void *fault_address(struct siginfo_start *info)
{
    return *(void **)((char *)info + (sizeof(long) == 4 ? 12 : 16));
}

int fork(void)
{
    return (int)call(__NR_fork);
}

int wait_for(int pid)
{
    int status = 0;
    if (call(__NR_wait4, (long)pid, &status, 0L, NULL) != pid)
        return -1;
    return status & 0x7F ? 128 + (status & 0x7F) : status >> 8 & 0xFF;
}

/* GCC may call these whatever it is told. */
void *memset(void *to, int value, unsigned long size)
{
    for (char *at = to; size--;)
        *at++ = (char)value;
    return to;
}

void *memcpy(void *to, const void *from, unsigned long size)
{
    const char *source = from;
    for (char *at = to; size--;)
        *at++ = *source++;
    return to;
}
