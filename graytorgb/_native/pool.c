/* A pool of threads, one for each process.
 *
 * One call at a time has the pool; a call that finds it taken works alone. The call that has it
 * writes its job into the pool, opens as many places as it wants workers, wakes them, and takes
 * tasks itself. A worker enters by taking a place. When no task is left, the places are closed, and
 * the caller waits only for the workers that are inside, each at its last task. It never waits for
 * a worker that was woken and got no processor: that one finds the places closed, or those of a
 * later job. All that a worker reads before it is inside lives as long as the process.
 *
 * Costs, on two cores of a Xeon (Sapphire Rapids): a worker that sleeps begins so late that it saves
 * nothing below 2.4 MB of result; one that is still awake saves half of the time from there on.
 * Before, threads were started in each call. Calls that follow each other, in us:
 *
 *     uint8, channels last         one thread  threads of the call  this pool  OpenCV's pool
 *     16x224x224, 2.4 MB                  109                  127         60             47
 *     64x224x224, 9.6 MB                  487                  350        248            244
 *     64x224x224, a process busy
 *     on each core                    570-790          7,000-12,000    650-920        640-990
 *
 * What else was tried: workers that sleep at once (64x224x224: 300); that look for the next job for
 * 20 us (255; planar 311 instead of 272) or for 100 us (no faster than 50); tasks of 64 and 256 KB
 * (slower by 5 to 10 us at 2.4 MB); calls on busy cores without `learn` (1,000 instead of 860).
 */
#define _DEFAULT_SOURCE 1 /* sigset_t, clock_gettime */
#include "pool.h"

#include "threads.h"

/* The state is a word: the number of workers inside, a flag, and the places that are open. */
#define INSIDE 0xffu
#define CALLER_SLEEPS 0x100u
#define PLACE 0x10000u

/* The harness of the tests sets its own. */
#ifndef LINGER
#define LINGER 50000 /* ns that a worker looks for the next job before it sleeps */
#define SPIN 50000   /* ns that a caller looks for a worker's end before it sleeps */
#define TRIES 3      /* calls in a row in which workers may do nothing */
#define FIRST_SKIP 2 /* calls that work alone after one in which workers saved no time: the first */
#define MOST_SKIPPED 128 /* time, and at most */
#endif

struct pool {
    atomic_word taken; /* by a call, which alone uses the fields down to `state` */
    int workers;       /* that were started */
    int forks_told;    /* whether a fork resets the child's pool */
    uint32_t skip, penalty, good, idle;
    void (*task)(void *, size_t);
    void *context;
    size_t count;
    atomic_number next;
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

static uint32_t take_tasks(void)
{
    uint32_t done = 0;
    for (size_t i; (i = TAKE_NUMBER(&pool.next)) < pool.count; done++)
        pool.task(pool.context, i);
    return done;
}

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

/* Leaves, and closes the places, because no task is left. */
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

static void sleep_until_woken(void)
{
    LOCK(&pool.lock);
    if (LOAD(&pool.state) < PLACE) {
        pool.asleep++;
        WAIT(&pool.work, &pool.lock);
        pool.asleep--;
    }
    UNLOCK(&pool.lock);
}

static THREAD_RESULT run_worker(void *unused)
{
    (void)unused;
    for (;;) {
        if (enter()) {
            wake_workers();
            ADD(&pool.helped, take_tasks());
            leave();
        }
        if (!places_open_soon())
            sleep_until_woken();
    }
    return 0;
}

/* Starts workers until there are as many as wanted, or until the system gives no more. */
static void start_workers(int wanted)
{
    if (!pool.forks_told && ON_FORK(reset_after_fork) == 0)
        pool.forks_told = 1;
    while (pool.forks_told && pool.workers < wanted && start_thread(run_worker))
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
 * did nothing, and cost nothing, may have been asleep, and be awake for the next call: they have
 * TRIES calls in a row. */
static void learn(uint32_t helped, int64_t saved)
{
    if (saved > 0) {
        pool.idle = 0;
        if (++pool.good >= 8)
            pool.penalty = FIRST_SKIP;
        return;
    }
    pool.good = 0;
    if (!helped && ++pool.idle < TRIES)
        return;
    pool.idle = 0;
    pool.skip = pool.penalty;
    pool.penalty = 2 * pool.penalty > MOST_SKIPPED ? MOST_SKIPPED : 2 * pool.penalty;
}

static void share_with_workers(int places)
{
    STORE_NUMBER(&pool.next, 0);
    STORE(&pool.helped, 0);
    int started_before = pool.workers;
    STORE(&pool.state, (uint32_t)places * PLACE);
    if (pool.workers)
        wake_workers();
    start_workers(places);
    int64_t start = nanoseconds();
    uint32_t own = take_tasks();
    int64_t end = nanoseconds();
    close_places(end);
    uint32_t helped = LOAD(&pool.helped);
    if (pool.workers == started_before)
        learn(helped, (own ? (end - start) / own : 0) * helped - (nanoseconds() - end));
}

void share(void (*task)(void *, size_t), void *context, size_t count, int threads)
{
    threads = threads < MOST_THREADS ? threads : MOST_THREADS;
    threads = (size_t)threads < count ? threads : (int)count;
    if (threads > 1 && !EXCHANGE(&pool.taken, 1)) {
        int helped = !pool.skip;
        if (helped) {
            pool.task = task, pool.context = context, pool.count = count;
            share_with_workers(threads - 1);
        } else {
            pool.skip--;
        }
        STORE(&pool.taken, 0);
        if (helped)
            return;
    }
    for (size_t i = 0; i < count; i++)
        task(context, i);
}
