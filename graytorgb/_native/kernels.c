/* The kernels, written once in kernels.inc over the few operations that a level's file gives.
 *
 * Operations for each 64 bytes of result, loads and stores included:
 *
 *                          portable      neon               avx2               avx512 (with VBMI)
 *   interleave, any width  21 elements   4/3 of 2, or 4+4   4 shuffles         1 shuffle
 *   normalize to float32   16 x 6        4 x 8, 4 permutes  2 x 6, 2 permutes  1 x 6, 1 permute
 *
 * which is less than the time in which memory takes 64 bytes, about 10 cycles a core, except
 * for the portable twin. NEON interleaves widths of 1, 2, 4 and 8 by a load of 16 bytes and a store
 * of 48, and multiples of 16 by loads and stores of 16; the portable twin does the others. A clamp by
 * NEON takes four operations and not two. How fast NEON is hasn't been measured.
 */
#include "kernels.h"

#include <string.h>

const size_t source_size[SOURCES] = {1, 2, 2, 2, 4};
const size_t target_size[TARGETS] = {4, 2, 2, 1};

#define PASTE(name, level) name##_##level
#define EXPANDED(name, level) PASTE(name, level)
#define NAME(name) EXPANDED(name, LEVEL)
#define STRING(name) #name
#define NAME_OF(level) STRING(level)

#include "portable.h"
#include "kernels.inc"

#if defined(HAS_AVX)
#include "avx2.h"
#include "kernels.inc"
#include "avx512.h"
#include "kernels.inc"
#endif

#if defined(HAS_NEON)
#include "neon.h"
#include "kernels.inc"
#endif

const struct level *const levels[] = {
    &level_portable,
#if defined(HAS_AVX)
    &level_avx2,
    &level_avx512,
#endif
#if defined(HAS_NEON)
    &level_neon,
#endif
    NULL,
};

void lay_out_shuffle(struct shuffle *shuffle, const struct level *level, size_t width)
{
    const size_t vector = 4 * level->lanes;
    shuffle->width = width;
    if (vector < 32 || vector % width)
        return; /* a level without shuffles, or a width that the portable twin does */
    size_t element = 0, copy = 0, byte = 0, first = 0;
    for (size_t place = 0; place < 3 * vector; place++) {
        size_t k = place / vector, j = place % vector;
        if (vector == 32 && j % 16 == 0) {
            first = (element + byte) / 4;
            first = first < 4 ? first : 4;
            for (size_t i = 0; i < 4; i++)
                shuffle->doublewords[k][j / 4 + i] = (int32_t)(first + i);
        }
        shuffle->bytes[k][j] = (uint8_t)(element + byte - 4 * first);
        if (++byte == width) {
            byte = 0;
            copy = (copy + 1) % 3;
            element += copy ? 0 : width;
        }
    }
}

void lay_out_arithmetic(struct arithmetic *a, const struct level *level, int interleaved,
                        const struct constants *c)
{
    a->interleaved = interleaved;
    for (int k = 0; k < 3; k++)
        for (int j = 0; j < level->lanes; j++) {
            int channel = interleaved ? (k * level->lanes + j) % 3 : k;
            a->pixel[k][j] = interleaved ? (k * level->lanes + j) / 3 : j;
            a->mean[k][j] = c->mean[channel], a->rest[k][j] = c->rest[channel];
            a->scale[k][j] = c->scale[channel];
            a->lowest[k][j] = c->lowest[channel], a->highest[k][j] = c->highest[channel];
            a->first[j] = c->first, a->last[j] = c->last;
        }
}
