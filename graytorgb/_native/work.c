/* Splitting a batch into tasks for threads, and those into blocks that stay in the first cache. */
#include "work.h"

#include <string.h>

#include "threads.h"

/* Bytes of result; twice this, source included, is less than the smallest first cache in use,
 * 32 KiB. Streamed results are made there and copied out, which costs little next to memory,
 * and leaves every kernel without a variant for its stores. */
#define BLOCK 12288

static int make(const struct work *work, const char *src, char *dst, size_t plane, size_t n)
{
    if (work->normalise)
        return work->normalise(src, dst, plane, n, &work->vectors, &work->tail);
    if (work->interleaved)
        work->level->interleave(src, dst, n, &work->shuffle);
    else
        for (int k = 0; k < 3; k++)
            memcpy(dst + k * plane, src, n * work->width);
    return 0;
}

static int make_and_stream(const struct work *work, const char *src, char *dst, size_t plane,
                           size_t n)
{
    _Alignas(64) char block[BLOCK];
    size_t bytes = n * work->result_width;
    int outside = 0;
    if (work->interleaved) {
        outside = make(work, src, block, 0, n);
        work->level->stream(block, dst, 3 * bytes);
        return outside;
    }
    if (work->normalise)
        outside = make(work, src, block, BLOCK / 3, n);
    for (int k = 0; k < 3; k++)
        work->level->stream(work->normalise ? block + k * (BLOCK / 3) : src, dst + k * plane, bytes);
    return outside;
}

/* The pixels from start to stop, counted through the whole batch. */
static int do_part(const struct work *work, size_t start, size_t stop)
{
    const size_t plane = work->after * work->result_width;
    const size_t most = BLOCK / 3 / work->result_width;
    int outside = 0;
    for (size_t n; start < stop; start += n) {
        size_t row = start / work->after, column = start % work->after;
        n = stop - start < most ? stop - start : most;
        char *dst = work->dst + 3 * start * work->result_width;
        if (!work->interleaved) {
            n = n < work->after - column ? n : work->after - column;
            dst = work->dst + 3 * row * plane + column * work->result_width;
        }
        const char *src = work->src + start * work->width;
        outside |= (work->stream ? make_and_stream : make)(work, src, dst, plane, n);
    }
    if (work->stream)
        work->level->fence();
    return outside;
}

/* Bytes of result a task, at least, so that taking one costs nothing; and tasks a thread, so that
 * the threads end together. Large tasks keep threads from faulting in the same large page. */
#define LEAST_TASK (1 << 18)
#define TASKS 8

struct job {
    const struct work *work;
    size_t pixels, task;
    int outside;
};

static void do_task(void *context, size_t i)
{
    struct job *job = context;
    size_t start = i * job->task, left = job->pixels - start;
    if (do_part(job->work, start, start + (left < job->task ? left : job->task)))
        RAISE(&job->outside);
}

int do_work(const struct work *work, int threads)
{
    const size_t pixels = work->before * work->after;
    if (threads <= 1 || pixels * 3 * work->result_width <= LEAST_TASK)
        return do_part(work, 0, pixels);
    size_t task = LEAST_TASK / 3 / work->result_width, share_of_all = pixels / threads / TASKS;
    task = task > share_of_all ? task : share_of_all;
    task = (task + 63) / 64 * 64; /* whole lines of the cache, so that each has one writer */
    struct job job = {work, pixels, task, 0};
    share(do_task, &job, (pixels + task - 1) / task, threads);
    return job.outside;
}
