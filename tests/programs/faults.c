/* Memory that is not there: handlers that map it, threads that find it gone, stacks that grow. */
#include "runtime.h"

static volatile char *wanted;
static volatile int missed, tid;
static volatile int reads;

static void give(int number, struct siginfo_start *info, void *context)
{
    (void)number, (void)context;
    char *page = (char *)((long)fault_address(info) & -PAGE);
    missed++;
    call(__NR_mprotect, page, PAGE, (long)(PROT_READ | PROT_WRITE));
}

static void leave(int number, struct siginfo_start *info, void *context)
{
    (void)number, (void)context;
    say("gone: %d\n", (long)((char *)fault_address(info) == (char *)wanted));
    call(__NR_exit, 0L);
}

static void look(void *argument)
{
    volatile char *page = argument;
    for (;;)
        reads += *page;
}

static long deep(int levels)
{
    volatile char room[2000];
    room[levels] = (char)levels;
    return levels ? deep(levels - 1) + room[levels] : 0;
}

int main(int argc, char **argv, char **envp)
{
    (void)argc, (void)argv, (void)envp;
    volatile char *pages = map(3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS);
    handle(SIGSEGV, give, 0);
    for (int n = 0; n < 3; n++)
        pages[n * PAGE + n] = (char)(n + 1);
    say("missed %d: %d %d %d\n", (long)missed, (long)pages[0], (long)pages[PAGE + 1], (long)pages[2 * PAGE + 2]);
    call(__NR_madvise, pages, PAGE, 4L);
    say("fresh %d, kept %d\n", (long)pages[0], (long)pages[PAGE + 1]);

    wanted = map(PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    wanted[0] = 1;
    handle(SIGSEGV, leave, 0);
    spawn((int *)&tid, look, (void *)wanted);
    while (reads < 1000)
        call(__NR_sched_yield);
    call(__NR_munmap, wanted, PAGE);
    join((int *)&tid);
    say("deep %d\n", deep(100));
    handle(SIGSEGV, (void *)0, 0);
    return *wanted;
}
