/* What the manual's pages say of calls that fail or are broken, and of what a child has from its parent. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int word[2];

static void hear(int number)
{
    (void)number;
}

static int ended(void)
{
    int status = 0;
    return wait(&status) < 0 ? -errno : WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void sleeps(void)
{
    struct sigaction action = {.sa_handler = hear};
    struct timespec span = {5, 0}, left = {9, 9};
    sigaction(SIGUSR1, &action, NULL);
    pid_t child = fork();
    if (!child) {
        int broken = nanosleep(&span, &left) && errno == EINTR;
        printf("broken %d, left %d and more %d\n", broken, (int)left.tv_sec, left.tv_nsec > 900000000);
        left.tv_sec = 9;
        clock_gettime(CLOCK_MONOTONIC, &span);
        span.tv_sec += 5;
        broken = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &span, &left) == EINTR;
        printf("broken %d, untouched %d\n", broken, left.tv_sec == 9);
        _exit(0);
    }
    for (int n = 0; n < 2; n++) {
        usleep(2000);
        kill(child, SIGUSR1);
    }
    ended();
}

static int futex(void *at, int operation, long value, long limit, int third)
{
    return syscall(SYS_futex, at, operation, value, limit, &word[1], third) < 0 ? errno : 0;
}

static void futexes(void)
{
    printf("futex %d %d %d %d %d %d\n", futex((char *)word + 2, FUTEX_WAKE, 1, 0, 0) == EINVAL,
           futex(word, FUTEX_WAKE_BITSET, 1, 0, 0) == EINVAL, futex(word, FUTEX_WAIT_BITSET, 0, 0, 0) == EINVAL,
           futex(word, FUTEX_REQUEUE, -1, 1, 0) == EINVAL, futex(word, FUTEX_REQUEUE, 1, -1, 0) == EINVAL,
           futex(word, FUTEX_WAIT, 1, 0, 0) == EAGAIN);
}

static void children(void)
{
    stack_t stack = {.ss_sp = malloc(16384), .ss_size = 16384}, had;
    sigaltstack(&stack, NULL);
    if (!fork()) {
        sigaltstack(NULL, &had);
        _exit(had.ss_sp == stack.ss_sp && had.ss_size == stack.ss_size && !had.ss_flags ? 3 : 4);
    }
    printf("alternate stack %d\n", ended());
    if (!fork())
        __asm__ volatile("move $29, $0\n\tli $2, %0\n\tsyscall\n\tli $4, 5\n\tli $2, %1\n\tsyscall"
                         :: "i"(__NR_rt_sigreturn), "i"(__NR_exit_group));
    printf("no frame to return from: %d\n", ended());
    signal(SIGCHLD, SIG_IGN);
    pid_t child = fork();
    if (!child) {
        usleep(2000);
        _exit(0);
    }
    printf("nobody waits for it: %d", -ended() == ECHILD);
    printf(" %d\n", kill(child, 0) < 0 && errno == ESRCH);
}

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    sleeps();
    futexes();
    children();
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(40, &cpus);
    printf("no such CPU %d", sched_setaffinity(0, sizeof cpus, &cpus) < 0 && errno == EINVAL);
    CPU_SET(2, &cpus);
    printf(", but one of these %d", sched_setaffinity(0, sizeof cpus, &cpus));
    sched_getaffinity(0, sizeof cpus, &cpus);
    printf(": %d, %d\n", CPU_COUNT(&cpus), sched_getcpu());
    return 0;
}
