/* More processes than a small machine has address-space ids; each has its own number at the same address. */
#include "runtime.h"

#define PROCESSES 12

static volatile long mine[3 * PAGE / sizeof(long)];

int main(int argc, char **argv, char **envp)
{
    (void)argc, (void)argv, (void)envp;
    int pids[PROCESSES], wrong = 0;
    for (int n = 0; n < PROCESSES; n++) {
        pids[n] = fork();
        if (!pids[n]) {
            for (int at = 0; at < 3; at++)
                mine[at * PAGE / sizeof(long)] = n + at;
            for (int turn = 0; turn < 20; turn++) {
                call(__NR_sched_yield);
                for (int at = 0; at < 3; at++)
                    wrong += mine[at * PAGE / sizeof(long)] != n + at;
            }
            die(wrong ? 200 : n);
        }
    }
    for (int n = 0; n < PROCESSES; n++)
        wrong += wait_for(pids[n]) != n;
    say("wrong: %d\n", (long)wrong);
    return wrong;
}
