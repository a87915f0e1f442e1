/* Sharing numbered tasks between threads. */
#ifndef GRAYTORGB_THREADS_H
#define GRAYTORGB_THREADS_H

#include <stddef.h>

#define MOST_THREADS 64

/* Sets a flag that several tasks may set at once. */
#ifdef _WIN32
#define RAISE(flag) (*(volatile int *)(flag) = 1)
#else
#define RAISE(flag) __atomic_store_n(flag, 1, __ATOMIC_RELAXED)
#endif

/* Calls task(context, i) once for each i < count, from the caller and up to threads - 1 others,
 * each taking the next when it is free; returns when all have returned. The threads live for
 * this call alone: starting one takes some 20 us, in which the caller works already, and nothing
 * is left that a fork could break. If no thread can be started, the caller does every task. */
void share(void (*task)(void *context, size_t i), void *context, size_t count, int threads);

#endif
