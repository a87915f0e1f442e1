/* Handing out numbered tasks to threads, each of which takes those of its own share first.
 *
 * A thread has the same share in every call. So where a batch is converted again and again, or was
 * written by the same threads, the memory of its tasks is in its processor's own cache: with tasks
 * in turn, 0.5 MB of gray took 1.5 times as long. Nobody waits for a thread that is late: who has
 * done its own share takes the tasks of the others.
 */
#ifndef GRAYTORGB_SHARES_H
#define GRAYTORGB_SHARES_H

#include "kernels.h"
#include "threads.h"

struct share {
    atomic_number next;
    size_t stop;
    char rest_of_line[LINE - 2 * sizeof(size_t)]; /* no two threads write to a line of the cache */
};

/* Divides `count` tasks into equal shares, neighbors together. */
static inline void divide_tasks(struct share *shares, size_t number, size_t count)
{
    for (size_t i = 0; i < number; i++) {
        STORE_NUMBER(&shares[i].next, i * count / number);
        shares[i].stop = (i + 1) * count / number;
    }
}

/* Does the tasks of a share, then those that the others have left; returns how many it did. */
static inline uint32_t take_tasks(struct share *shares, size_t number, size_t own,
                                  void (*task)(void *, size_t), void *context)
{
    uint32_t done = 0;
    for (size_t k = 0; k < number; k++) {
        struct share *share = &shares[(own + k) % number];
        for (size_t i; (i = TAKE_NUMBER(&share->next)) < share->stop; done++)
            task(context, i);
    }
    return done;
}

#endif
