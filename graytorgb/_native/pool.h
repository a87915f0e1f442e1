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

/* A small job is done before a worker that sleeps begins; for a large one, workers are woken; a huge
 * one takes so long that workers save time in any case. */
enum job_size { SMALL_JOB, LARGE_JOB, HUGE_JOB };

/* Calls task(context, i) once for each i < count, from the caller and up to threads - 1 workers, and
 * returns when all tasks have returned. Each thread takes the tasks of its own share first, as
 * shares.h says. The caller does all of them if another call has the workers, if they were no help
 * lately, or if none can be started. It also does all of them if the job is small and the
 * last call was not just before: workers that sleep would begin when such a job is done. */
void share(void (*task)(void *context, size_t i), void *context, size_t count, int threads,
           enum job_size);

#endif
