/* Histograms, and the spread of colors, one thread and plain C.
 *
 * Cycles a byte or element, of 500x375 photos in the second cache:
 *
 *                       cycles     why not less
 *   count_bytes         1          a load, an addition and a store into a table of 256
 *   count_words         2 to 4     the same, for 12 to 16 bits: the tables fill a cache
 *   spread_bytes        0.4        8 operations on 16 bytes, the vectors of every x86-64, and 3 loads
 *
 * Neighbors in an image are often equal, and an addition waits about 5 cycles for the last store
 * to its address. So neighbors are counted in several tables, which are added up at the end. */
#include "counting.h"

#include <string.h>

#define TABLES 8
#define MOST ((size_t)1 << 31) /* elements until a table of uint32_t is added up */

static void add_up(uint32_t table[TABLES][256], uint64_t *counts)
{
    for (int i = 0; i < 256; i++) {
        uint64_t sum = 0;
        for (int t = 0; t < TABLES; t++)
            sum += table[t][i];
        counts[i] += sum;
    }
    memset(table, 0, sizeof(uint32_t) * TABLES * 256);
}

/* All n bytes, 8 at a time. */
static void count_run(const unsigned char *src, size_t n, uint32_t table[TABLES][256])
{
    for (; n >= 8; n -= 8, src += 8) {
        uint64_t x;
        memcpy(&x, src, 8);
        for (int t = 0; t < TABLES; t++)
            table[t][x >> 8 * t & 255]++;
    }
    for (; n; n--, src++)
        table[0][*src]++;
}

/* The first `used` bytes of n pixels, 4 pixels at a time where one or three are used. */
static void count_pixels(const unsigned char *src, size_t n, size_t period, size_t used,
                         uint32_t table[TABLES][256])
{
    for (; n >= 4 && (used == 1 || used == 3); n -= 4, src += 4 * period)
        for (int t = 0; t < 4; t++) {
            const unsigned char *pixel = src + (size_t)t * period;
            table[t][pixel[0]]++;
            if (used == 3) {
                table[4 + t % 2][pixel[1]]++;
                table[6 + t % 2][pixel[2]]++;
            }
        }
    for (; n; n--, src += period)
        for (size_t k = 0; k < used; k++)
            table[k % TABLES][src[k]]++;
}

int64_t count_bytes(const struct picked *p, uint64_t *counts)
{
    uint32_t table[TABLES][256] = {{0}};
    const unsigned char *src = (const unsigned char *)p->src;
    const size_t most = MOST / p->used;
    for (size_t at = 0, n; at < p->n; at += n, src += n * p->period) {
        n = p->n - at < most ? p->n - at : most;
        if (p->period == p->used)
            count_run(src, n * p->used, table);
        else if (p->used == 1)
            count_pixels(src, n, p->period, 1, table);
        else
            count_pixels(src, n, p->period, p->used, table);
        add_up(table, counts);
    }
    return 0;
}

/* The place of a word in `size` counts, or `size` if it has none. */
static inline size_t find_place(const char *src, uint16_t first, size_t size)
{
    uint16_t x;
    memcpy(&x, src, 2);
    size_t place = (uint16_t)(x - first);
    return place < size ? place : size;
}

/* Few counts: two tables, with a place more for words that have none. */
#define FEW 4096
static int64_t count_in_tables(const char *src, size_t n, size_t pixel, size_t used,
                               uint64_t *counts, size_t size, uint16_t first)
{
    uint32_t table[2][FEW + 1];
    for (int t = 0; t < 2; t++)
        memset(table[t], 0, (size + 1) * sizeof(uint32_t));
    size_t i = 0;
    for (; used == 1 && i + 2 <= n; i += 2, src += 2 * pixel) {
        table[0][find_place(src, first, size)]++;
        table[1][find_place(src + pixel, first, size)]++;
    }
    for (; i < n; i++, src += pixel)
        for (size_t k = 0; k < used; k++)
            table[k % 2][find_place(src + 2 * k, first, size)]++;
    for (i = 0; i < size; i++)
        counts[i] += (uint64_t)table[0][i] + table[1][i];
    return (int64_t)table[0][size] + table[1][size];
}

/* Many counts: tables beside them would take longer to clear than equal neighbors to wait. */
static int64_t count_directly(const char *src, size_t n, size_t pixel, size_t used,
                              uint64_t *counts, size_t size, uint16_t first)
{
    int64_t outside = 0;
    for (; n; n--, src += pixel)
        for (size_t k = 0; k < used; k++) {
            size_t place = find_place(src + 2 * k, first, size);
            if (place < size)
                counts[place]++;
            else
                outside++;
        }
    return outside;
}

int64_t count_words(const struct picked *p, uint64_t *counts, size_t size, uint16_t first)
{
    const size_t most = MOST / p->used, pixel = 2 * p->period;
    const char *src = p->src;
    int64_t outside = 0;
    for (size_t at = 0, n; at < p->n; at += n, src += n * pixel) {
        n = p->n - at < most ? p->n - at : most;
        if (size <= FEW)
            outside += count_in_tables(src, n, pixel, p->used, counts, size, first);
        else if (p->used == 1)
            outside += count_directly(src, n, pixel, 1, counts, size, first);
        else
            outside += count_directly(src, n, pixel, p->used, counts, size, first);
    }
    return outside;
}

/* A step takes STEP elements, whole pixels of 3 or 4. Each is compared with the next element, if the
 * mask says that both are colors of a pixel, and the first also with the third. The three differences
 * of a pixel make twice its spread. In a block of BLOCK steps the sums of a place fit `wide`. */
#define STEP 48
#define BLOCK 128

#define DIFFERENCE(x, y) (((x) > (y) ? (x) : (y)) - ((x) > (y) ? (y) : (x)))
#define SPREAD(name, type, wide)                                                                   \
    static void name##_block(const char *src, size_t steps, const type *next, const type *third,   \
                             type *largest, wide *sums)                                            \
    {                                                                                              \
        for (; steps; steps--, src += STEP * sizeof(type)) {                                       \
            type x[STEP], y[STEP], z[STEP];                                                        \
            memcpy(x, src, sizeof x);                                                              \
            memcpy(y, src + sizeof(type), sizeof y);                                               \
            memcpy(z, src + 2 * sizeof(type), sizeof z);                                           \
            for (int j = 0; j < STEP; j++) {                                                       \
                type a = (type)(DIFFERENCE(x[j], y[j]) & next[j]);                                 \
                type b = (type)(DIFFERENCE(x[j], z[j]) & third[j]);                                \
                type most = a > b ? a : b;                                                         \
                largest[j] = largest[j] > most ? largest[j] : most;                                \
                sums[j] = (wide)(sums[j] + a + b);                                                 \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    struct spread name(const struct picked *p, uint32_t most)                                      \
    {                                                                                              \
        struct spread result = {0, 0};                                                             \
        type next[STEP], third[STEP], rest[STEP + 2];                                              \
        const size_t pixels = STEP / p->period, whole = p->n ? (p->n - 1) / pixels : 0;            \
        for (int j = 0; j < STEP; j++) {                                                           \
            next[j] = (type)(j % p->period < 2 ? -1 : 0);                                          \
            third[j] = (type)(j % p->period ? 0 : -1);                                             \
        }                                                                                          \
        const char *src = p->src;                                                                  \
        uint64_t doubled = 0;                                                                      \
        for (size_t at = 0, n; at <= whole && result.largest <= most; at += n ? n : 1) {           \
            type largest[STEP] = {0};                                                              \
            wide sums[STEP] = {0};                                                                 \
            n = whole - at < BLOCK ? whole - at : BLOCK;                                           \
            if (n) {                                                                               \
                name##_block(src, n, next, third, largest, sums);                                  \
                src += n * STEP * sizeof(type);                                                    \
            } else { /* the last pixels, and no element after them */                              \
                memset(rest, 0, sizeof rest);                                                      \
                memcpy(rest, src, (p->n - whole * pixels) * p->period * sizeof(type));             \
                name##_block((const char *)rest, 1, next, third, largest, sums);                   \
            }                                                                                      \
            for (int j = 0; j < STEP; j++) {                                                       \
                result.largest = result.largest > largest[j] ? result.largest : largest[j];        \
                doubled += sums[j];                                                                \
            }                                                                                      \
        }                                                                                          \
        result.sum = doubled / 2;                                                                  \
        return result;                                                                             \
    }
SPREAD(spread_bytes, uint8_t, uint16_t)
SPREAD(spread_words, uint16_t, uint32_t)
