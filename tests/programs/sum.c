/* Threads add to one sum under a lock and to another without, by LL and SC; each also counts for itself. */
#include "runtime.h"

#define THREADS 6
#define TIMES 300

static int taken, tids[THREADS];
static long locked, atomic, own[THREADS];

static void work(void *argument)
{
    long *mine = argument;
    for (long n = 0; n < TIMES; n++) {
        lock(&taken);
        long before = locked;
        for (volatile int pause = 0; pause < 5; pause++)
            ;
        locked = before + n;
        unlock(&taken);
        __atomic_fetch_add(&atomic, n, __ATOMIC_SEQ_CST);
        *mine += n;
        if (n % 100 == 0)
            call(__NR_sched_yield);
    }
}

int main(int argc, char **argv, char **envp)
{
    (void)envp;
    for (int n = 0; n < THREADS; n++)
        spawn(&tids[n], work, &own[n]);
    long total = 0;
    for (int n = 0; n < THREADS; n++) {
        join(&tids[n]);
        total += own[n];
    }
    say("%s of %d: %d %d %d\n", argv[argc - 1], (long)argc, locked, atomic, total);
    return locked == atomic && atomic == total ? 0 : 1;
}
