#define _DEFAULT_SOURCE /* madvise */
#include "memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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
};
#define HEADER(data) ((struct header *)((char *)(data) - ALIGNMENT))

struct memory_info memory_info;
static void *kept[MOST_BLOCKS]; /* the oldest first */

static void shrink_to(size_t limit, size_t blocks);

static void *new_block(size_t size)
{
    if (size > SIZE_MAX - 2 * ALIGNMENT)
        return NULL;
    char *start = take_from_system(size + 2 * ALIGNMENT);
    if (!start) {
        shrink_to(0, 0); /* the kept blocks may take the memory that is missing */
        start = take_from_system(size + 2 * ALIGNMENT);
    }
    if (!start)
        return NULL;
    char *data = start + 2 * ALIGNMENT - (uintptr_t)start % ALIGNMENT;
    HEADER(data)->start = start;
    HEADER(data)->capacity = size;
    ASK_FOR_HUGE_PAGES(data, size);
    return data;
}

static void delete_block(void *data)
{
    give_to_system(HEADER(data)->start, HEADER(data)->capacity + 2 * ALIGNMENT);
}

static void *remove_kept(size_t i)
{
    void *data = kept[i];
    size_t capacity = HEADER(data)->capacity;
    memmove(kept + i, kept + i + 1, (memory_info.blocks - i - 1) * sizeof *kept);
    memory_info.blocks--;
    memory_info.kept_bytes -= capacity;
    ALLOW(data, capacity);
    return data;
}

static void shrink_to(size_t limit, size_t blocks)
{
    while (memory_info.blocks && (memory_info.kept_bytes > limit || memory_info.blocks > blocks))
        delete_block(remove_kept(0));
}

void memory_set_limit(size_t limit)
{
    memory_info.limit = limit;
    shrink_to(limit, MOST_BLOCKS);
}

/* Takes the newest block that fits and wastes at most an eighth: it may still be in a cache. */
void *memory_malloc(void *context, size_t size)
{
    (void)context;
    void *data = NULL;
    for (size_t i = memory_info.blocks; i-- && !data;) {
        size_t capacity = HEADER(kept[i])->capacity;
        if (capacity >= size && capacity - size <= size / 8)
            data = remove_kept(i);
    }
    if (data)
        memory_info.hits++;
    else {
        memory_info.misses++;
        data = new_block(size);
    }
    if (data)
        memory_info.lent_bytes += HEADER(data)->capacity;
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
    size_t capacity = HEADER(data)->capacity;
    memory_info.lent_bytes -= capacity;
    if (capacity > memory_info.limit) {
        delete_block(data);
        return;
    }
    shrink_to(memory_info.limit - capacity, MOST_BLOCKS - 1);
    OFFER_TO_SYSTEM(data, capacity);
    FORBID(data, capacity);
    kept[memory_info.blocks++] = data;
    memory_info.kept_bytes += capacity;
}
