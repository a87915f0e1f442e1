/* Memory for large results, kept for the next one when an array dies. */
#ifndef GRAYTORGB_MEMORY_H
#define GRAYTORGB_MEMORY_H

#include <stddef.h>

/* Every function may be called by several threads at once, with the GIL or without it, and in a
 * process that was forked while other threads were in here. */

/* To be called once, before the others: tells the system what to do at a fork; 0 if it did. */
int memory_start(void);

/* NumPy's four allocator functions (PyDataMemAllocator); the context isn't used. */
void *memory_malloc(void *context, size_t size);
void *memory_calloc(void *context, size_t count, size_t size);
void *memory_realloc(void *context, void *data, size_t size);
void memory_free(void *context, void *data, size_t size);

/* Whether a block that memory_malloc returned was kept before, so that its pages are there. */
int memory_is_reused(const void *data);

struct memory_info {
    size_t limit;               /* the most bytes to keep */
    size_t kept_bytes, blocks;  /* kept now */
    size_t lent_bytes;          /* in living arrays */
    size_t hits, misses;
};
struct memory_info memory_get_info(void);

void memory_set_limit(size_t limit); /* gives back the blocks beyond it */

#endif
