#define _DEFAULT_SOURCE 1 /* madvise */
#include "memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "threads.h"

#if defined(__SANITIZE_ADDRESS__) /* as GCC names it */
#define SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) /* Clang's */
#define SANITIZED
#endif
#endif

#if defined(SANITIZED)
#include <sanitizer/asan_interface.h>
#define FORBID(data, size) __asan_poison_memory_region(data, size)
#define ALLOW(data, size) __asan_unpoison_memory_region(data, size)
#else
#define FORBID(data, size) ((void)(data), (void)(size))
#define ALLOW(data, size) ((void)(data), (void)(size))
#endif

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>

/* Advice on the whole pages of a block of at least `least` MB. */
static void advise(char *data, size_t size, size_t least, int advice)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), skip = (size_t)(-(uintptr_t)data % page);
    if (size >= least << 20)
        (void)madvise(data + skip, (size - skip) / page * page, advice);
}
/* With pages of 2 MB, the system provides a block in half of the time. */
#define ASK_FOR_HUGE_PAGES(data, size) advise(data, size, 4, MADV_HUGEPAGE)
/* The system may take the pages when memory is short. Until then they stay, and the next write
 * to a page keeps it. That takes 0.2 ms a GB, and 0.1 ms at least. */
#define OFFER_TO_SYSTEM(data, size) advise(data, size, 32, MADV_FREE)

/* A large block has pages of its own, which go back to the system with it. malloc would
 * cut it out of free space in its heap, and keep the memory there. With AddressSanitizer malloc is
 * used all the same, because the sanitizer guards only malloc's blocks. */
#if !defined(SANITIZED)
#define OWN_PAGES(size) ((size) >= (size_t)4 << 20)
#endif
#else
#define ASK_FOR_HUGE_PAGES(data, size) ((void)0)
#define OFFER_TO_SYSTEM(data, size) ((void)0)
#endif

static void *take_from_system(size_t size)
{
#if defined(OWN_PAGES)
    if (OWN_PAGES(size)) {
        void *start = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return start == MAP_FAILED ? NULL : start;
    }
#endif
    return malloc(size);
}

static void give_to_system(void *start, size_t size)
{
#if defined(OWN_PAGES)
    if (OWN_PAGES(size)) {
        (void)munmap(start, size);
        return;
    }
#endif
    (void)size;
    free(start);
}

#define ALIGNMENT 64
#define MOST_BLOCKS 32

/* The header of a block. It is in front of the data, in a line of the cache of its own. */
struct header {
    void *start;     /* what the system gave */
    size_t capacity; /* bytes of data */
    int is_reused;   /* whether it was kept before it was lent */
};
#define HEADER(data) ((struct header *)((char *)(data) - ALIGNMENT))

/* The lock guards what follows it. It is held for some steps at a time, and never while the system
 * is asked for memory or given it back. A block that isn't kept belongs to whoever has it. */
static lock_type lock = UNLOCKED;
static struct memory_info info;
static void *kept[MOST_BLOCKS]; /* the oldest first */

/* Blocks that are no longer kept, to be given back when the lock isn't held. */
struct dropped {
    size_t count;
    void *blocks[MOST_BLOCKS];
};

#ifndef _WIN32
static void hold_lock(void)
{
    LOCK(&lock);
}

static void release_lock(void)
{
    UNLOCK(&lock);
}
#endif

int memory_start(void)
{
#ifndef _WIN32
    /* The thread that forks holds the lock, so that the child gets a whole state and a free lock. */
    return pthread_atfork(hold_lock, release_lock, release_lock);
#else
    return 0;
#endif
}

/* With the lock held: stops keeping the block `kept[i]`, and returns it. */
static void *remove_kept(size_t i)
{
    void *data = kept[i];
    memmove(kept + i, kept + i + 1, (info.blocks - i - 1) * sizeof *kept);
    info.blocks--;
    info.kept_bytes -= HEADER(data)->capacity;
    return data;
}

/* With the lock held: stops keeping the oldest blocks, until the rest is within the limits. */
static void shrink_to(size_t limit, size_t blocks, struct dropped *dropped)
{
    dropped->count = 0;
    while (info.blocks && (info.kept_bytes > limit || info.blocks > blocks))
        dropped->blocks[dropped->count++] = remove_kept(0);
}

static void delete_block(void *data)
{
    ALLOW(data, HEADER(data)->capacity);
    give_to_system(HEADER(data)->start, HEADER(data)->capacity + 2 * ALIGNMENT);
}

static void delete_blocks(const struct dropped *dropped)
{
    for (size_t i = 0; i < dropped->count; i++)
        delete_block(dropped->blocks[i]);
}

static void *new_block(size_t size)
{
    if (size > SIZE_MAX - 2 * ALIGNMENT)
        return NULL;
    char *start = take_from_system(size + 2 * ALIGNMENT);
    if (!start) { /* the kept blocks may take the memory that is missing */
        struct dropped dropped;
        LOCK(&lock);
        shrink_to(0, 0, &dropped);
        UNLOCK(&lock);
        delete_blocks(&dropped);
        start = take_from_system(size + 2 * ALIGNMENT);
    }
    if (!start)
        return NULL;
    char *data = start + 2 * ALIGNMENT - (uintptr_t)start % ALIGNMENT;
    HEADER(data)->start = start;
    HEADER(data)->capacity = size;
    HEADER(data)->is_reused = 0;
    ASK_FOR_HUGE_PAGES(data, size);
    return data;
}

void memory_set_limit(size_t limit)
{
    struct dropped dropped;
    LOCK(&lock);
    info.limit = limit;
    shrink_to(limit, MOST_BLOCKS, &dropped);
    UNLOCK(&lock);
    delete_blocks(&dropped);
}

struct memory_info memory_get_info(void)
{
    LOCK(&lock);
    struct memory_info copy = info;
    UNLOCK(&lock);
    return copy;
}

int memory_is_reused(const void *data)
{
    return HEADER(data)->is_reused;
}

/* With the lock held: takes the newest block that fits and wastes at most an eighth. It is the newest
 * because that one may still be in a cache. NULL if there is none. */
static void *take_kept(size_t size)
{
    for (size_t i = info.blocks; i--;) {
        size_t capacity = HEADER(kept[i])->capacity;
        if (capacity >= size && capacity - size <= size / 8)
            return remove_kept(i);
    }
    return NULL;
}

void *memory_malloc(void *context, size_t size)
{
    (void)context;
    LOCK(&lock);
    void *data = take_kept(size);
    if (data) {
        info.hits++;
        info.lent_bytes += HEADER(data)->capacity;
    } else {
        info.misses++;
    }
    UNLOCK(&lock);
    if (data) {
        ALLOW(data, HEADER(data)->capacity);
        HEADER(data)->is_reused = 1;
        return data;
    }
    data = new_block(size);
    if (data) {
        LOCK(&lock);
        info.lent_bytes += size;
        UNLOCK(&lock);
    }
    return data;
}

void *memory_calloc(void *context, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size)
        return NULL;
    void *data = memory_malloc(context, count * size);
    return data ? memset(data, 0, count * size) : NULL;
}

void *memory_realloc(void *context, void *data, size_t size)
{
    if (!data)
        return memory_malloc(context, size);
    size_t capacity = HEADER(data)->capacity;
    if (size <= capacity && size >= capacity - capacity / 8)
        return data;
    void *moved = memory_malloc(context, size);
    if (moved) {
        memcpy(moved, data, size < capacity ? size : capacity);
        memory_free(context, data, capacity);
    }
    return moved;
}

void memory_free(void *context, void *data, size_t size)
{
    (void)context, (void)size; /* for a resized array, NumPy passes the new size */
    if (!data)
        return;
    struct dropped dropped = {0, {NULL}};
    size_t capacity = HEADER(data)->capacity;
    LOCK(&lock);
    info.lent_bytes -= capacity;
    int is_kept = capacity <= info.limit;
    UNLOCK(&lock);
    if (is_kept) {
        OFFER_TO_SYSTEM(data, capacity);
        FORBID(data, capacity);
        LOCK(&lock);
        is_kept = capacity <= info.limit; /* another thread may have set it meanwhile */
        if (is_kept) {
            shrink_to(info.limit - capacity, MOST_BLOCKS - 1, &dropped);
            kept[info.blocks++] = data;
            info.kept_bytes += capacity;
        }
        UNLOCK(&lock);
    }
    if (!is_kept)
        delete_block(data);
    delete_blocks(&dropped);
}
