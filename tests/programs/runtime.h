/* What the programs need of a C library: calls, threads, a lock, output. */
#ifndef RUNTIME_H
#define RUNTIME_H
#include <linux/mman.h>
#include <asm/signal.h>
#include <asm/unistd.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <linux/wait.h>

#ifndef NULL
#define NULL ((void *)0)
#endif
#define PAGE 4096L
#define STACK (4 * PAGE)

long call(long number, ...);
long start_thread(long flags, void *stack, int *tid, void (*body)(void *), void *argument);

struct siginfo_start { int number, code, error, pad; };

void say(const char *format, ...);          /* %d, %s, %x; longs; one write */
void *map(long size, int prot, int flags);
void spawn(int *tid, void (*body)(void *), void *argument);
void join(int *tid);
void lock(int *word);
void unlock(int *word);
void handle(int number, void (*handler)(int, struct siginfo_start *, void *), int flags);
void *fault_address(struct siginfo_start *info);
int fork(void);
int wait_for(int pid);                       /* the status as a shell has it */
void die(int status) __attribute__((noreturn));
int main(int argc, char **argv, char **envp);
#endif
