/* Processes: copies of memory, their ends, signals between them, other programs in their place. */
#include "runtime.h"

static volatile long value = 1;
static volatile int heard;

static void hear(int number, struct siginfo_start *info, void *context)
{
    (void)info, (void)context;
    heard = number;
}

static int copies(void)
{
    long *shared = map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    int pids[4];
    for (int n = 0; n < 4; n++) {
        pids[n] = fork();
        if (!pids[n]) {
            value += n;
            call(__NR_sched_yield);
            __atomic_fetch_add(shared, value, __ATOMIC_SEQ_CST);
            die((int)(10 * value));
        }
    }
    value = 100;
    for (int n = 0; n < 4; n++)
        say("child %d: %d\n", (long)n, (long)wait_for(pids[n]));
    say("here %d, shared %d\n", value, *shared);
    return 0;
}

static void signals(void)
{
    int pid = fork();
    if (!pid) {
        handle(SIGUSR1, hear, 0);
        call(__NR_kill, call(__NR_getppid), (long)SIGUSR2);
        while (!heard)
            call(__NR_sched_yield);
        die(heard);
    }
    while (!heard)
        call(__NR_sched_yield);
    say("parent heard %d\n", (long)heard);
    call(__NR_kill, (long)pid, (long)SIGUSR1);
    say("child heard %d\n", (long)wait_for(pid));
    pid = fork();
    if (!pid)
        for (;;)
            call(__NR_pause);
    call(__NR_kill, (long)pid, (long)SIGTERM);
    say("terminated: %d\n", (long)wait_for(pid));
}

int main(int argc, char **argv, char **envp)
{
    if (argc > 1 && argv[1][0] == 'x') {
        say("executed %s with %s, value %d\n", argv[0], envp[0], value);
        return 33;
    }
    handle(SIGUSR2, hear, 0);
    copies();
    signals();
    int pid = fork();
    if (!pid) {
        char *arguments[] = {"other", "x", NULL}, *environment[] = {"A=b", NULL};
        say("no such program: %d\n", call(__NR_execve, "nowhere", arguments, environment));
        call(__NR_execve, argv[0], arguments, environment);
        die(1);
    }
    say("ended with %d\n", (long)wait_for(pid));
    say("no child: %d\n", (long)wait_for(-1));
    return 0;
}
