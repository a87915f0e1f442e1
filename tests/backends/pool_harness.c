/* The pool of threads, used by several threads at once, with forks and signals, and with delays
 * wherever a thread reads or changes a word that others change: for the sanitizers, and for the
 * checks here. `pool_harness SECONDS` says what is wrong, or nothing.
 *
 * -DPLANT=1 takes the order away from the atomic words, -DPLANT=2 lets calls return while workers
 * are inside: the sanitizers, or the checks, have to find both. */
#define _GNU_SOURCE 1
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINGER 2000 /* short, so that threads sleep often */
#define SPIN 2000
#define TRIES 3
#define RECENT 1000000000 /* so that small calls are helped too */
#define FIRST_SKIP 0 /* no call works alone because workers saved no time */
#define MOST_SKIPPED 0
#include "../../graytorgb/_native/threads.h"

static __thread int known;       /* whether this thread is one of those below */
static __thread unsigned drawn; /* a thread's own generator */

static unsigned draw(unsigned below)
{
    drawn = drawn * 1664525u + 1013904223u;
    return (drawn >> 8) % below;
}

static void delay(void)
{
    unsigned kind = draw(200);
    if (kind == 0)
        usleep(draw(300));
    else if (kind < 10)
        sched_yield();
}

#if defined(PLANT) && PLANT == 1
#undef LOAD
#define LOAD(word) __atomic_load_n(word, __ATOMIC_RELAXED)
#define replace(word, expected, next)                                                              \
    (delay(), __atomic_compare_exchange_n(word, expected, next, 0, __ATOMIC_RELAXED,              \
                                          __ATOMIC_RELAXED))
#else
#define replace(word, expected, next) (delay(), replace(word, expected, next))
#endif
#undef TAKE_NUMBER
#define TAKE_NUMBER(number) (delay(), __atomic_fetch_add(number, 1, __ATOMIC_RELAXED))
#if defined(PLANT) && PLANT == 2
#undef LOAD
#define LOAD(word) (delay(), __atomic_load_n(word, __ATOMIC_ACQUIRE) & ~0xffu)
#endif

#include "../../graytorgb/_native/pool.c"

static void fail(const char *what)
{
    fprintf(stderr, "wrong: %s\n", what);
    _exit(1);
}

struct job {
    size_t count;
    unsigned char *times; /* that each task was done */
};

static void do_task(void *context, size_t i)
{
    struct job *job = context;
    if (i >= job->count)
        fail("a task beyond the last");
    delay();
    job->times[i]++;
}

/* No thread allocates during a fork, because the sanitizers' allocators stay locked in the child. */
static pthread_mutex_t memory = PTHREAD_MUTEX_INITIALIZER;

static struct job *new_job(size_t count)
{
    pthread_mutex_lock(&memory);
    struct job *job = malloc(sizeof *job);
    job->count = count;
    job->times = calloc(count, 1);
    pthread_mutex_unlock(&memory);
    return job;
}

static void delete_job(struct job *job)
{
    pthread_mutex_lock(&memory);
    free(job->times);
    free(job);
    pthread_mutex_unlock(&memory);
}

/* One call, whose memory is freed at once: a worker that is late would read what is freed. */
static void call(void)
{
    struct job *job = new_job(1 + draw(draw(4) ? 12 : 200));
    share(do_task, job, job->count, 1 + (int)draw(6), (enum job_size)draw(3));
    for (size_t i = 0; i < job->count; i++)
        if (job->times[i] != 1)
            fail("a task wasn't done once");
    memset(job->times, 0xee, job->count);
    delete_job(job);
}

static int signals;

static void count_signal(int number)
{
    (void)number;
    if (!known)
        _exit(2);
    __atomic_fetch_add(&signals, 1, __ATOMIC_RELAXED);
}

static double seconds_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double stop;

static void set_alarms(int how)
{
    sigset_t alarms;
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    pthread_sigmask(how, &alarms, NULL);
}

static void *call_until_stop(void *seed)
{
    known = 1, drawn = (unsigned)(size_t)seed;
    set_alarms(SIG_UNBLOCK);
    while (seconds_of(CLOCK_MONOTONIC) < stop)
        call();
    return NULL;
}

/* Forks while other threads are in calls; the child forks again, and one of them ends while a
 * thread of its own is in a call. */
static void fork_and_call(int depth)
{
    pthread_mutex_lock(&memory);
    pid_t child = fork();
    pthread_mutex_unlock(&memory);
    if (child < 0)
        fail("no fork");
    if (child == 0) {
        alarm(30); /* a child that hangs dies of it */
        signal(SIGALRM, SIG_DFL);
        for (int i = 0; i < 20; i++)
            call();
        if (!pool.workers)
            fail("a child has no workers of its own");
        if (depth)
            fork_and_call(depth - 1);
        pthread_t thread;
        stop = seconds_of(CLOCK_MONOTONIC) + 60;
        pthread_create(&thread, NULL, call_until_stop, (void *)9);
        usleep(3000);
        exit(0);
    }
    int status;
    while (waitpid(child, &status, 0) < 0)
        ;
    if (status)
        fail(WIFSIGNALED(status) ? "a child died of a signal" : "a child failed");
}

/* Workers that sleep take no time of a processor. */
static void check_that_idle_is_idle(void)
{
    usleep(100000);
    double before = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    usleep(300000);
    if (seconds_of(CLOCK_PROCESS_CPUTIME_ID) - before > 0.1)
        fail("an idle pool is busy");
}

int main(int count, char **arguments)
{
    pthread_t threads[4];
    struct itimerval often = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
    known = 1, drawn = 12345;
    signal(SIGALRM, count_signal);
    set_alarms(SIG_BLOCK); /* a new thread isn't known at once */
    stop = seconds_of(CLOCK_MONOTONIC) + (count > 1 ? atof(arguments[1]) : 1);
    for (size_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, call_until_stop, (void *)(i + 1));
    set_alarms(SIG_UNBLOCK);
    while (seconds_of(CLOCK_MONOTONIC) < stop) {
        setitimer(ITIMER_REAL, &often, NULL);
        for (int i = 0; i < 100; i++)
            call();
        setitimer(ITIMER_REAL, &never, NULL);
        fork_and_call(1);
    }
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    if (!signals)
        fail("no signal came");
    if (!pool.workers)
        fail("no worker was started");
    check_that_idle_is_idle();
    return 0;
}
