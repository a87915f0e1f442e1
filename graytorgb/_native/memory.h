/* Memory for large results, kept for the next one when an array dies. */
#ifndef GRAYTORGB_MEMORY_H
#define GRAYTORGB_MEMORY_H

#include <stddef.h>

/* Everything here is called with the GIL held, by NumPy's arrays and by this module. That is the
 * lock: no two threads are in here at once, and a fork never copies a half-changed state. */

/* NumPy's four allocator functions (PyDataMemAllocator); the context isn't used. */
void *memory_malloc(void *context, size_t size);
void *memory_calloc(void *context, size_t count, size_t size);
void *memory_realloc(void *context, void *data, size_t size);
void memory_free(void *context, void *data, size_t size);

struct memory_info {
    size_t limit;               /* the most bytes to keep */
    size_t kept_bytes, blocks;  /* kept now */
    size_t lent_bytes;          /* in living arrays */
    size_t hits, misses;
};
extern struct memory_info memory_info;

void memory_set_limit(size_t limit); /* gives back the blocks beyond it */

#endif
