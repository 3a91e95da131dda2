/* What the C library makes of rarer calls: spawning, execve by a thread, sleeps that signals break, a CPU of one's own. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static char *self;
static volatile int heard;
static volatile long deepest;

static void hear(int number)
{
    heard = number;
}

static void *nap(void *unused)
{
    struct timespec span = {5, 0};
    printf("nap %d\n", nanosleep(&span, &span) ? errno == EINTR : 2);
    return unused;
}

static void *execute(void *unused)
{
    char *arguments[] = {"again", "executed", NULL};
    execve(self, arguments, environ);
    return unused;
}

static void overflowed(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
    _exit(deepest > 1000 ? 55 : 56);
}

static long dive(long level)
{
    volatile char room[1000];
    room[0] = (char)(deepest = level);
    return level < 0 ? 0 : dive(level + 1) + room[0];
}

static void overflow(void)
{
    stack_t stack = {.ss_sp = malloc(20000), .ss_size = 20000};
    struct sigaction action = {.sa_sigaction = overflowed, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaltstack(&stack, NULL);
    sigaction(SIGSEGV, &action, NULL);
    _exit((int)dive(0));
}

static void second_life(char **argv)
{
    printf("%s, %s; one thread %d\n", argv[0], argv[1], gettid() == getpid());
    struct sigaction action = {.sa_handler = hear};
    sigaction(SIGUSR1, &action, NULL);
    pthread_t thread;
    pthread_create(&thread, NULL, nap, NULL);
    usleep(1000);
    pthread_kill(thread, SIGUSR1);
    pthread_join(thread, NULL);
    sigset_t none, blocked;
    sigemptyset(&none);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    heard = 0;
    raise(SIGUSR1);
    int before = heard;
    sigsuspend(&none);
    printf("heard %d, then %d\n", before, heard == SIGUSR1);
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(1, &cpus);
    int refused = sched_setaffinity(0, sizeof cpus, &cpus);
    printf("moved %d to %d\n", refused, sched_getcpu());
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    usleep(2500);
    clock_gettime(CLOCK_MONOTONIC, &to);
    long us = (to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000;
    printf("slept %d\n", us >= 2500 && us < 3000);
    abort();
}

int main(int argc, char **argv)
{
    self = argv[0];
    setvbuf(stdout, NULL, _IONBF, 0);
    if (argc > 1 && !strcmp(argv[1], "spawned"))
        return 7;
    if (argc > 1)
        second_life(argv);
    pid_t child;
    char *arguments[] = {"x", "spawned", NULL};
    int failed = posix_spawn(&child, self, NULL, NULL, arguments, environ), status;
    waitpid(child, &status, 0);
    printf("spawned %d: %d\n", failed, WEXITSTATUS(status));
    if (!fork())
        _exit(10 / (argc - 1));
    wait(&status);
    printf("division: %d\n", WTERMSIG(status));
    if (!fork())
        overflow();
    wait(&status);
    printf("overflow: %d\n", WEXITSTATUS(status));
    pthread_t thread;
    pthread_create(&thread, NULL, execute, NULL);
    pthread_exit(NULL);
}
