/* A pool of threads, one for each process.
 *
 * One call at a time has the pool; a call that finds it taken works alone. The call that has it
 * writes its job into the pool, opens as many places as it wants workers, wakes them, and takes
 * tasks itself. A worker enters by taking a place. When no task is left, the places are closed, and
 * the caller waits only for the workers that are inside, each at its last task. It never waits for
 * a worker that was woken and got no processor: that one finds the places closed, or those of a
 * later job. All that a worker reads before it is inside lives as long as the process.
 *
 * Costs, on two cores of a Xeon (Sapphire Rapids): a worker that sleeps begins some 50 us late, in
 * which another thread makes 2 MB of result; one that is awake saves half of the time from 0.5 MB on.
 * Before, threads were started in each call. Calls that follow each other, in us:
 *
 *     uint8, channels last         one thread  threads of the call  this pool  OpenCV's pool
 *     1x512x512, 0.8 MB                    26                   26         16             18
 *     16x224x224, 2.4 MB                  109                  127         48             47
 *     64x224x224, 9.6 MB                  437                  350        223            245
 *     64x224x224, a process busy
 *     on each core                    570-790          7,000-12,000    650-920        640-990
 *
 * What else was tried: workers that sleep at once (64x224x224: 300); that look for the next job for
 * 20 us (255; planar 311 instead of 272) or for 100 us (no faster than 50); tasks of 256 KB (slower
 * by 5 to 10 us at 2.4 MB); tasks in turn, without shares (1x512x512 uint16: 60 instead of 27); calls
 * on busy cores without `learn` (1,000 instead of 860); and waking workers for small results too,
 * which makes them 30 us slower after an operation of another library.
 */
#define _GNU_SOURCE 1 /* sigset_t, clock_gettime, sched_getcpu */
#include "pool.h"

#include "processors.h"
#include "shares.h"
#include "threads.h"

/* The state is a word: the number of workers inside, a flag, and the places that are open. */
#define INSIDE 0xffu
#define CALLER_SLEEPS 0x100u
#define PLACE 0x10000u

/* The harness of the tests sets its own. */
#ifndef LINGER
#define LINGER 50000 /* ns that a worker looks for the next job before it sleeps */
#define SPIN 50000   /* ns that a caller looks for a worker's end before it sleeps */
#define RECENT 100000 /* ns since the last call in which workers are still awake, or just woken */
#define TRIES 8      /* calls in a row in which workers may save nothing, if they cost little */
/* How many calls work alone after one in which workers saved no time: the first time, and at most */
#define FIRST_SKIP 2
#define MOST_SKIPPED 128
#endif

struct pool {
    atomic_word taken; /* by a call, which alone uses the fields down to `state` */
    int workers;       /* that were started */
    int forks_told;    /* whether a fork resets the child's pool */
    uint32_t skip;    /* how many of the next calls work alone */
    uint32_t penalty; /* how many calls do when workers save no time again */
    uint32_t good;    /* calls in a row in which workers saved time */
    uint32_t tried;   /* calls in a row in which they saved none, but cost little */
    int64_t last;     /* when the last call began */
    void (*task)(void *, size_t);
    void *context;
    struct share shares[MOST_THREADS];
    size_t number; /* of shares */
    atomic_word processor; /* of the caller */
    atomic_word helped; /* the tasks that workers did */
    atomic_word state;
    lock_type lock; /* of the conditions and of `asleep` */
    condition work, done;
    uint32_t asleep; /* workers */
};

static struct pool pool = {.penalty = FIRST_SKIP, .lock = UNLOCKED, .work = NO_WAITERS, .done = NO_WAITERS};

/* In a child, which has none of the parent's threads: a pool that has started none. */
#ifndef _WIN32
static void reset_after_fork(void)
{
    static const struct pool fresh = {
        .penalty = FIRST_SKIP, .forks_told = 1, .lock = UNLOCKED, .work = NO_WAITERS, .done = NO_WAITERS};
    pool = fresh;
}
#endif

/* Wakes as many workers as there are places, and two at most: those wake others. If the lock is
 * taken by a worker that doesn't run, the call goes on without. */
static void wake_workers(void)
{
    uint32_t places = LOAD(&pool.state) / PLACE;
    if (!places)
        return;
    for (int tries = 0; !TRY_TO_LOCK(&pool.lock); tries++) {
        if (tries == 100)
            return;
        PAUSE();
    }
    uint32_t asleep = pool.asleep;
    UNLOCK(&pool.lock);
    for (uint32_t i = 0; i < asleep && i < places && i < 2; i++)
        SIGNAL(&pool.work);
}

/* Takes a place if one is open. */
static int enter(void)
{
    uint32_t state = LOAD(&pool.state);
    while (state >= PLACE)
        if (replace(&pool.state, &state, state - PLACE + 1))
            return 1;
    return 0;
}

/* Gives the place up, and closes the others, because no task is left. */
static void leave(void)
{
    uint32_t state = LOAD(&pool.state);
    while (!replace(&pool.state, &state, state % PLACE - 1))
        ;
    if (state % PLACE == CALLER_SLEEPS + 1) {
        LOCK(&pool.lock);
        SIGNAL(&pool.done);
        UNLOCK(&pool.lock);
    }
}

/* Whether there are places, or will be in a short time, as where calls follow each other. */
static int places_open_soon(void)
{
    int64_t until = nanoseconds() + LINGER;
    do {
        for (int i = 0; i < 8; i++) {
            if (LOAD(&pool.state) >= PLACE)
                return 1;
            PAUSE();
        }
    } while (nanoseconds() < until);
    return 0;
}

/* Linux may start or wake a worker on the caller's processor, where it runs instead of the caller,
 * and where it stays if calls are short. */
static void leave_callers_processor(void)
{
    uint32_t processor = current_processor();
    if (processor == LOAD(&pool.processor))
        leave_processor(processor);
}

static void sleep_until_woken(void)
{
    LOCK(&pool.lock);
    if (LOAD(&pool.state) < PLACE) {
        pool.asleep++;
        WAIT(&pool.work, &pool.lock);
        pool.asleep--;
    }
    UNLOCK(&pool.lock);
    leave_callers_processor();
}

static THREAD_RESULT run_worker(void *own)
{
    leave_callers_processor();
    for (;;) {
        if (enter()) {
            wake_workers();
            ADD(&pool.helped, take_tasks(pool.shares, pool.number, (uintptr_t)own % pool.number,
                                         pool.task, pool.context));
            leave();
        }
        if (!places_open_soon())
            sleep_until_woken();
    }
    return 0;
}

/* Starts workers until there are as many as wanted, or until the system gives no more. The caller
 * has the share 0, and each worker one of its own. */
static void start_workers(int wanted)
{
    if (!pool.forks_told && ON_FORK(reset_after_fork) == 0)
        pool.forks_told = 1;
    while (pool.forks_told && pool.workers < wanted &&
           start_thread(run_worker, (void *)(uintptr_t)(pool.workers + 1)))
        pool.workers++;
}

/* Closes the places, and returns when no worker is inside: after a short time of spinning, asleep,
 * so that the processor is free for a worker. */
static void close_places(int64_t now)
{
    uint32_t state = LOAD(&pool.state);
    while (state >= PLACE && !replace(&pool.state, &state, state % PLACE))
        ;
    for (int64_t until = now + SPIN; LOAD(&pool.state) & INSIDE;) {
        for (int i = 0; i < 8; i++)
            PAUSE();
        if (nanoseconds() > until)
            break;
    }
    if (!(LOAD(&pool.state) & INSIDE))
        return;
    LOCK(&pool.lock);
    for (state = LOAD(&pool.state); state & INSIDE;)
        if (replace(&pool.state, &state, state | CALLER_SLEEPS))
            break;
    while (LOAD(&pool.state) & INSIDE)
        WAIT(&pool.done, &pool.lock);
    UNLOCK(&pool.lock);
    STORE(&pool.state, 0);
}

/* Judges whether the workers saved time: the tasks that they did would have taken longer than the
 * caller waited for them. If not, the next calls work alone, twice as many each time. Workers that
 * cost little may have been asleep, and be awake for the next call: they have TRIES calls in a row. */
static void learn(int64_t saved, int64_t spent)
{
    if (saved > 0) {
        pool.tried = 0;
        if (++pool.good >= 8)
            pool.penalty = FIRST_SKIP;
        return;
    }
    pool.good = 0;
    if (saved > -spent / 2 && ++pool.tried < TRIES)
        return;
    pool.tried = 0;
    pool.skip = pool.penalty;
    pool.penalty = 2 * pool.penalty > MOST_SKIPPED ? MOST_SKIPPED : 2 * pool.penalty;
}

static void share_with_workers(int places)
{
    STORE(&pool.helped, 0);
    STORE(&pool.processor, current_processor());
    int started_before = pool.workers;
    STORE(&pool.state, (uint32_t)places * PLACE);
    if (pool.workers)
        wake_workers();
    start_workers(places);
    int64_t start = nanoseconds();
    uint32_t own = take_tasks(pool.shares, pool.number, 0, pool.task, pool.context);
    int64_t end = nanoseconds();
    close_places(end);
    int64_t saved = (own ? (end - start) / own : 0) * (int64_t)LOAD(&pool.helped);
    if (pool.workers == started_before)
        learn(saved - (nanoseconds() - end), end - start);
}

/* Whether this call works alone: a small one that doesn't follow another one at once, in whose time
 * no worker would begin, and each call that `learn` decided about, unless it is huge. */
static int works_alone(enum job_size size)
{
    int64_t last = pool.last;
    pool.last = nanoseconds();
    if (size == SMALL_JOB && pool.last - last > RECENT)
        return 1;
    if (!pool.skip || size == HUGE_JOB)
        return 0;
    pool.skip--;
    return 1;
}

void share(void (*task)(void *, size_t), void *context, size_t count, int threads,
           enum job_size size)
{
    threads = threads < MOST_THREADS ? threads : MOST_THREADS;
    threads = (size_t)threads < count ? threads : (int)count;
    if (threads > 1 && !EXCHANGE(&pool.taken, 1)) {
        int alone = works_alone(size);
        if (!alone) {
            pool.task = task, pool.context = context, pool.number = (size_t)threads;
            divide_tasks(pool.shares, pool.number, count);
            share_with_workers(threads - 1);
        }
        STORE(&pool.taken, 0);
        if (!alone)
            return;
    }
    for (size_t i = 0; i < count; i++)
        task(context, i);
}
