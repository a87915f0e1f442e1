/* One call's work: which pixels, in which memory, by which kernels and how many threads. */
#ifndef GRAYTORGB_WORK_H
#define GRAYTORGB_WORK_H

#include "kernels.h"

/* (before, after) pixels become (before, after, 3), or (before, 3, after) where planar: the same
 * values, or, with a `normalize`, its arithmetic. `width` and `result_width` are the bytes of a
 * value. */
#define WIDEST 64
struct work {
    const struct level *level;
    const char *src;
    char *dst;
    size_t before, after, width, result_width;
    int interleaved, stream;
    normalize_kernel *normalize;
    struct shuffle shuffle;
    struct arithmetic vectors, tail;
};

/* Does all of it, by at most MOST_THREADS threads; returns whether `normalize` reported a pixel. */
int do_work(const struct work *, int threads);

/* Writes n bytes of any value and reads none, to measure how long writing takes by itself. */
void only_write(const struct level *, char *dst, size_t n, int stream, int threads);

#endif
