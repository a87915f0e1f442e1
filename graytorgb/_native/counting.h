/* Counting the values of an image, and how far its colors are from gray. */
#ifndef GRAYTORGB_COUNTING_H
#define GRAYTORGB_COUNTING_H

#include <stddef.h>
#include <stdint.h>

/* Of each `period` elements the first `used` count: (1, 1) is all of them, (3, 1) one plane of RGB,
 * (4, 3) the colors of RGBA. `n` is the number of whole periods. */
struct picked {
    const char *src;
    size_t n, period, used;
};

/* Adds to counts[k] how often first + k occurs, modulo 2^16 for elements of 2 bytes; elements of
 * 1 byte have 256 counts, and `first` is 0. Returns how many values had no count. */
int64_t count_bytes(const struct picked *, uint64_t *counts);
int64_t count_words(const struct picked *, uint64_t *counts, size_t size, uint16_t first);

/* The spread of a pixel is the largest difference of two of its first three elements. `sum` is that
 * of all spreads. It stops at the block in which a spread is larger than `most`; then `largest` is,
 * and `sum` is of the pixels so far. `used` isn't looked at, and period is 3 or 4. */
struct spread {
    uint32_t largest;
    uint64_t sum;
};
struct spread spread_bytes(const struct picked *, uint32_t most);
struct spread spread_words(const struct picked *, uint32_t most);

#endif
