/* Sharing numbered tasks between the caller and a few threads that are kept for it. */
#ifndef GRAYTORGB_POOL_H
#define GRAYTORGB_POOL_H

#include <stddef.h>

#define MOST_THREADS 64

/* Sets a flag that several tasks may set at once. */
#ifdef _WIN32
#define RAISE(flag) (*(volatile int *)(flag) = 1)
#else
#define RAISE(flag) __atomic_store_n(flag, 1, __ATOMIC_RELAXED)
#endif

/* Calls task(context, i) once for each i < count, from the caller and up to threads - 1 workers,
 * each taking the next when it is free; returns when all have returned. The caller does all of it
 * if another call has the workers, or if they were no help lately, or if none can be started. It
 * doesn't wake workers for what is done before they are awake: they help with it, unless it
 * `is_large`, where calls follow each other closely. */
void share(void (*task)(void *context, size_t i), void *context, size_t count, int threads,
           int is_large);

#endif
