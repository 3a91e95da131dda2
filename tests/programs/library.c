/* With the compiler's own C library, linked statically: stdio, malloc, floating point, POSIX threads, a condition. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int turn;
static _Thread_local double own;

/* In turn, each adds the square root of a number to its own sum. */
static void *work(void *argument)
{
    long me = (long)argument;
    for (int n = 0; n < 25; n++) {
        pthread_mutex_lock(&mutex);
        while (turn % 4 != me)
            pthread_cond_wait(&changed, &mutex);
        own += sqrt(turn++);
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&mutex);
    }
    double *result = malloc(sizeof *result);
    *result = own;
    return result;
}

int main(int argc, char **argv)
{
    pthread_t threads[4];
    double sum = 0;
    for (long n = 0; n < 4; n++)
        if (pthread_create(&threads[n], NULL, work, (void *)n))
            return 1;
    for (int n = 0; n < 4; n++) {
        void *result;
        pthread_join(threads[n], &result);
        sum += *(double *)result;
        free(result);
    }
    printf("%d arguments, the last is %s; %d turns, %.10f\n", argc, argv[argc - 1], turn, sum);
    fflush(stdout);
    char line[40];
    while (fgets(line, sizeof line, stdin))
        printf("%zu: %s", strlen(line), line);
    fflush(stdout);
    pid_t child = fork();
    if (!child)
        exit(printf("child of %s\n", getenv("NAME")));
    int status;
    return waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 17 ? 42 : 1;
}
