/* The cache of memory, used by several threads at once, with forks: for the sanitizers, and for the
 * checks here. `memory_harness SECONDS` says what is wrong, or nothing.
 *
 * -DPLANT=1 takes the lock away, -DPLANT=2 what is done at a fork: the sanitizers, or the checks,
 * have to find both. */
#define _DEFAULT_SOURCE 1
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../graytorgb/_native/threads.h"

static __thread unsigned drawn; /* a thread's own generator */

static unsigned draw(unsigned below)
{
    drawn = drawn * 1664525u + 1013904223u;
    return (drawn >> 8) % below;
}

/* A thread with the lock, or on its way to it, gives way to others now and then. */
static void delay(void)
{
    if (draw(20) == 0)
        sched_yield();
}

#undef LOCK
#if defined(PLANT) && PLANT == 1
#undef UNLOCK
#define LOCK(lock) ((void)(lock), delay())
#define UNLOCK(lock) ((void)(lock))
#else
#define LOCK(lock) (delay(), pthread_mutex_lock(lock), delay())
#endif
#if defined(PLANT) && PLANT == 2
#define pthread_atfork(before, in_parent, in_child) ((void)(before), (void)(in_parent), 0)
#endif

/* No thread is in malloc during a fork, because the sanitizers' own stays locked in the child. */
static pthread_mutex_t allocator = PTHREAD_MUTEX_INITIALIZER;

static void *allocate(size_t size)
{
    pthread_mutex_lock(&allocator);
    void *start = malloc(size);
    pthread_mutex_unlock(&allocator);
    return start;
}

static void give_back(void *start)
{
    pthread_mutex_lock(&allocator);
    free(start);
    pthread_mutex_unlock(&allocator);
}

#define malloc(size) allocate(size)
#define free(start) give_back(start)
#include "../../graytorgb/_native/memory.c"
#undef malloc
#undef free

#define THREADS 4
#define PLACES 6
#define KIB ((size_t)1 << 10)
#ifndef PATIENCE /* seconds that a child has */
#define PATIENCE 60
#endif

static void fail(const char *what)
{
    fprintf(stderr, "wrong: %s\n", what);
    _exit(1);
}

/* A block of a thread, and what it wrote there. */
struct place {
    unsigned char *data;
    size_t size;
    unsigned char mark;
};

static void check(const struct place *place)
{
    for (size_t i = 0; i < place->size; i += 256)
        if (place->data[i] != place->mark)
            fail("another thread wrote to a block that is lent");
    if (place->data[place->size - 1] != place->mark)
        fail("another thread wrote to the end of a block that is lent");
}

static void fill(struct place *place)
{
    place->mark = (unsigned char)draw(256);
    memset(place->data, place->mark, place->size);
}

static void drop(struct place *place)
{
    if (place->data)
        check(place);
    memory_free(NULL, place->data, place->size);
    place->data = NULL;
}

/* Small sizes are mostly used, and some with pages of their own. */
static size_t draw_size(void)
{
    return draw(50) ? (1 + draw(40)) * KIB : (4096 + draw(1024)) * KIB;
}

static void step(struct place *places)
{
    struct place *place = &places[draw(PLACES)];
    unsigned kind = draw(100);
    if (kind < 2) {
        memory_set_limit(draw(3) * 200 * KIB);
        return;
    }
    if (kind < 12 && place->data) {
        size_t size = draw_size(), before = place->size;
        unsigned char *moved = memory_realloc(NULL, place->data, size);
        if (!moved)
            fail("no memory");
        place->data = moved, place->size = size < before ? size : before;
        check(place);
        place->size = size;
        fill(place);
        return;
    }
    drop(place);
    place->size = draw_size();
    place->data = kind < 20 ? memory_calloc(NULL, place->size, 1) : memory_malloc(NULL, place->size);
    if (!place->data)
        fail("no memory");
    if (memory_is_reused(place->data) != 0 && memory_is_reused(place->data) != 1)
        fail("a block is neither new nor reused");
    if (kind < 20)
        place->mark = 0, check(place);
    fill(place);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double stop;

static void *work(void *seed)
{
    struct place places[PLACES] = {{NULL, 0, 0}};
    drawn = (unsigned)(size_t)seed;
    while (seconds() < stop) {
        for (int i = 0; i < 50; i++)
            step(places);
        struct memory_info now = memory_get_info();
        if (now.kept_bytes > now.limit || now.blocks > MOST_BLOCKS)
            fail("more is kept than the limit");
    }
    for (int i = 0; i < PLACES; i++)
        drop(&places[i]);
    return NULL;
}

/* Whether what the cache says of itself is true, when no other thread uses it. */
static void check_state(void)
{
    struct memory_info now = memory_get_info();
    size_t bytes = 0;
    for (size_t i = 0; i < now.blocks; i++)
        bytes += HEADER(kept[i])->capacity;
    if (bytes != now.kept_bytes)
        fail("the kept blocks aren't those that are counted");
}

/* Forks while other threads are in the cache; the child uses it, and forks again. */
static void fork_and_work(int depth)
{
    pthread_mutex_lock(&allocator);
    pid_t child = fork();
    pthread_mutex_unlock(&allocator);
    if (child < 0)
        fail("no fork");
    if (child == 0) {
        struct place places[PLACES] = {{NULL, 0, 0}};
        alarm(PATIENCE); /* a child that hangs dies of it */
        check_state();
        for (int i = 0; i < 200; i++)
            step(places);
        for (int i = 0; i < PLACES; i++)
            drop(&places[i]);
        check_state();
        if (depth)
            fork_and_work(depth - 1);
        _exit(0);
    }
    int status;
    while (waitpid(child, &status, 0) < 0)
        ;
    if (status)
        fail(WIFSIGNALED(status) ? "a child died of a signal" : "a child failed");
}

int main(int count, char **arguments)
{
    pthread_t threads[THREADS];
    drawn = 12345;
    if (memory_start() != 0)
        fail("nothing is done at a fork");
    memory_set_limit(400 * KIB);
    stop = seconds() + (count > 1 ? atof(arguments[1]) : 1);
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)(i + 1));
    while (seconds() < stop) {
        fork_and_work(1);
        usleep(1000);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    check_state();
    struct memory_info now = memory_get_info();
    if (now.lent_bytes)
        fail("blocks count as lent that were given back");
    if (!now.hits || !now.misses)
        fail("no block was kept for the next call");
    memory_set_limit(0);
    if (memory_get_info().blocks)
        fail("blocks are kept beyond the limit");
    return 0;
}
