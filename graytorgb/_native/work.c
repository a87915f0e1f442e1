/* Splitting a batch into tasks for threads, and those into blocks that stay in the first cache. */
#include "work.h"

#include <string.h>

#include "pool.h"

/* Bytes of result at a time: few, so that the next block's work begins while the stores of this
 * one are on their way, and its source is read from the first cache where there are three. */
#define BLOCK 3072

static int make(const struct work *work, const char *src, char *dst, size_t plane, size_t n,
                int stream)
{
    if (work->normalize)
        return work->normalize(src, dst, plane, n, &work->vectors, &work->tail, stream);
    if (work->interleaved)
        work->level->interleave(src, dst, n, &work->shuffle, stream);
    else
        for (int k = 0; k < 3; k++)
            if (stream)
                work->level->stream(src, dst + k * plane, n * work->width);
            else
                memcpy(dst + k * plane, src, n * work->width);
    return 0;
}

/* Bytes of a plane that are copied at a time: they stay in the first cache until the third copy. */
#define COPIED (1 << 14)

/* For planes that begin at different places of a line of the cache: makes the result in a block of
 * its own, and streams it from there, which can go to any address. */
static int make_apart(const struct work *work, const char *src, char *dst, size_t plane, size_t n)
{
    _Alignas(LINE) char block[BLOCK];
    size_t bytes = n * work->result_width;
    int outside = make(work, src, block, BLOCK / 3, n, 0);
    if (work->interleaved)
        work->level->stream(block, dst, 3 * bytes);
    else
        for (int k = 0; k < 3; k++)
            work->level->stream(block + k * (BLOCK / 3), dst + k * plane, bytes);
    return outside;
}

/* Counts the pixels until a line of the cache begins in the result; LINE if none begins. */
static size_t until_line(const char *dst, size_t pixel)
{
    size_t n = 0;
    while (n < LINE && ((uintptr_t)dst + n * pixel) % LINE)
        n++;
    return n;
}

/* Does the pixels from start to stop, which are numbered through the whole batch. */
static int do_part(const struct work *work, size_t start, size_t stop)
{
    const size_t plane = work->after * work->result_width;
    const size_t pixel = work->result_width * (work->interleaved ? 3 : 1);
    const int copies = !work->interleaved && !work->normalize; /* stream takes any address */
    const size_t most = (copies && !work->stream ? COPIED : BLOCK / 3) / work->result_width;
    const int together = work->interleaved || plane % LINE == 0;
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
        size_t skip = !work->stream ? 0 : together ? until_line(dst, pixel) : LINE;
        if (skip == LINE && !copies) {
            outside |= make_apart(work, src, dst, plane, n);
        } else if (skip && skip < LINE) {
            n = n < skip ? n : skip;
            outside |= make(work, src, dst, plane, n, 0);
        } else {
            outside |= make(work, src, dst, plane, n, work->stream);
        }
    }
    if (work->stream)
        work->level->fence();
    return outside;
}

/* Bytes of result a task: at least so many that taking one costs nothing, and at most so many that
 * nobody waits long for the last; between, tasks a thread, so that the threads end together. Large
 * tasks keep threads from faulting in the same large page. */
#define LEAST_TASK (1 << 16)
#define MOST_TASK (4 << 20)
#define TASKS 8

/* Bytes of result from which a call takes longer than to wake a thread, and than a thread that was
 * woken may ever delay it. */
#define LARGE (2 << 20)
#define HUGE (32 << 20)

static enum job_size size_of_job(size_t bytes)
{
    return bytes < LARGE ? SMALL_JOB : bytes < HUGE ? LARGE_JOB : HUGE_JOB;
}

static size_t bytes_of_task(size_t bytes, int threads)
{
    size_t task = bytes / threads / TASKS;
    return task < LEAST_TASK ? LEAST_TASK : task > MOST_TASK ? MOST_TASK : task;
}

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
    const size_t pixels = work->before * work->after, pixel = 3 * work->result_width;
    if (threads <= 1 || pixels * pixel <= LEAST_TASK)
        return do_part(work, 0, pixels);
    size_t task = bytes_of_task(pixels * pixel, threads) / pixel;
    task = (task + LINE - 1) / LINE * LINE; /* whole lines of the cache: each has one writer */
    struct job job = {work, pixels, task, 0};
    share(do_task, &job, (pixels + task - 1) / task, threads,
          size_of_job(pixels * pixel));
    return job.outside;
}

struct writing {
    const struct level *level;
    char *dst;
    size_t n, task;
    int stream;
};

static void write_task(void *context, size_t i)
{
    const struct writing *writing = context;
    _Alignas(LINE) char block[BLOCK] = {0};
    size_t at = i * writing->task, left = writing->n - at;
    size_t stop = at + (left < writing->task ? left : writing->task);
    for (size_t n; at < stop; at += n) {
        n = stop - at < BLOCK ? stop - at : BLOCK;
        if (writing->stream)
            writing->level->stream(block, writing->dst + at, n);
        else
            memcpy(writing->dst + at, block, n);
    }
    writing->level->fence();
}

void only_write(const struct level *level, char *dst, size_t n, int stream, int threads)
{
    size_t task = bytes_of_task(n, threads);
    struct writing writing = {level, dst, n, (task + LINE - 1) / LINE * LINE, stream};
    share(write_task, &writing, (n + writing.task - 1) / writing.task, threads,
          size_of_job(n));
}
