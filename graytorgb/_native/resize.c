/* A part of one plane of bytes that is resized with antialiasing: a triangle as wide as the reduction.
 *
 * The arithmetic is that of Pillow's Image.resize with BILINEAR and then crop, for 8 bits (Pillow
 * 13, src/libImaging/Resample.c, Copyright (c) Fredrik Lundh, Secret Labs AB, Jeffrey A. Clark and
 * contributors, license MIT-CMU), so that both give the same bits: weights in double, rounded to 22
 * bits, and sums of int32; bytes between the two passes. The pass along columns comes first where
 * it takes away more than twice as many rows as the other one columns. Pillow before 13 doesn't do
 * that, and then a result may differ by 1, as it may where a compiler fuses double arithmetic (ARM).
 *
 * Cycles, measured, with loads and stores:
 *
 *                                    portable  avx2
 *   blend, 16 weighted bytes         15        4.5: 2 multiplications, of 2 cycles each
 *   turn, a row of 16 x 16 bytes     12        4: 4 unpackings, a load and a store
 *
 * NEON, not measured: a blend is 4 multiplications that add and 6 widenings; a turn takes as many
 * operations as by AVX2.
 *
 * Multiplications that add pairs of int16, for weights split into two of 11 bits, would take as
 * long: they need more unpacking, and an even number of weights. */
#include "resize.h"

#include "kernels.h"

#include <stdlib.h>
#include <string.h>

#define BITS 22 /* of a weight: 255 of them, twice, fit an int32 */
#define ONE ((int32_t)1 << BITS)
#define LANES 16

/* One axis: each of `size` results is the weighted sum of `count` elements from its start on. The
 * results need the elements from `first` to before `stop`. An axis is kept if it changes nothing. */
struct axis {
    size_t size, count, first, stop;
    int is_kept;
    size_t *starts;
    int32_t *weights;
};

/* A part of a plane: `stride` is the bytes from a row to the next. */
struct pixels {
    uint8_t *data;
    ptrdiff_t stride;
};

static struct pixels move_down(struct pixels pixels, size_t rows)
{
    return (struct pixels){pixels.data + (ptrdiff_t)rows * pixels.stride, pixels.stride};
}

static void copy(struct pixels src, struct pixels dst, size_t rows, size_t columns)
{
    for (size_t y = 0; y < rows; y++)
        memcpy(move_down(dst, y).data, move_down(src, y).data, columns);
}

/* The weighted sum of `count` bytes that are `step` apart. It can't overflow: rounding doubles a
 * weight at most. */
static uint8_t blend_one(const uint8_t *src, ptrdiff_t step, const int32_t *weights, size_t count)
{
    int32_t sum = ONE / 2;
    for (size_t k = 0; k < count; k++, src += step)
        sum += *src * weights[k];
    sum >>= BITS;
    return (uint8_t)(sum < 255 ? sum : 255);
}

#define TARGET
#define NAME(name) name##_portable
typedef struct {
    int32_t lane[LANES];
} sums_portable;

INLINE sums_portable start_portable(void)
{
    sums_portable sums;
    for (int i = 0; i < LANES; i++)
        sums.lane[i] = ONE / 2;
    return sums;
}
INLINE sums_portable add_portable(sums_portable sums, const uint8_t *src, int32_t weight)
{
    for (int i = 0; i < LANES; i++)
        sums.lane[i] += src[i] * weight;
    return sums;
}
INLINE void finish_portable(sums_portable sums, uint8_t *dst)
{
    for (int i = 0; i < LANES; i++) {
        int32_t level = sums.lane[i] >> BITS;
        dst[i] = (uint8_t)(level < 255 ? level : 255);
    }
}
INLINE void turn_portable(const uint8_t *src, ptrdiff_t src_stride, uint8_t *dst,
                          ptrdiff_t dst_stride)
{
    for (int x = 0; x < LANES; x++)
        for (int y = 0; y < LANES; y++)
            dst[x * dst_stride + y] = src[y * src_stride + x];
}
#include "resize.inc"

#if defined(HAS_AVX)
#include "resize_avx2.h"
#include "resize.inc"
#endif

#if defined(HAS_NEON)
#include "resize_neon.h"
#include "resize.inc"
#endif

struct passes {
    void (*go_across)(struct pixels, struct pixels, size_t, const struct axis *, uint8_t *);
    void (*go_down)(struct pixels, struct pixels, size_t, const struct axis *);
};

/* For each of `levels`, in its order; every processor with AVX-512 has AVX2. */
static const struct passes passes[] = {
    {go_across_portable, go_down_portable},
#if defined(HAS_AVX)
    {go_across_avx2, go_down_avx2},
    {go_across_avx2, go_down_avx2},
#endif
#if defined(HAS_NEON)
    {go_across_neon, go_down_neon},
#endif
};

/* Where the triangle of a result lies: its center, and the elements that it reaches. */
struct window {
    double center;
    int64_t start, stop;
};

/* An axis of `length` elements that become `whole` results, of which those from `skipped` on count. */
struct span {
    size_t length, whole, skipped;
    double scale, width;
};

static struct span measure(size_t length, size_t whole, size_t skipped)
{
    struct span span = {length, whole, skipped, (double)length / (double)whole, 1.0};
    span.width = span.scale < 1.0 ? 1.0 : span.scale;
    return span;
}

static struct window find_window(const struct span *span, size_t place)
{
    struct window window = {((double)(span->skipped + place) + 0.5) * span->scale, 0, 0};
    window.start = (int64_t)(window.center - span->width + 0.5);
    window.stop = (int64_t)(window.center + span->width + 0.5);
    window.start = window.start < 0 ? 0 : window.start;
    window.stop = window.stop > (int64_t)span->length ? (int64_t)span->length : window.stop;
    return window;
}

/* The height of a window's triangle at an element, before all are divided by their sum. */
INLINE double weigh(const struct window *window, double inverse, int64_t element)
{
    double distance = ((double)element - window->center + 0.5) * inverse;
    distance = distance < 0.0 ? -distance : distance;
    return distance < 1.0 ? 1.0 - distance : 0.0;
}

/* Where the elements of a window begin if it has `count` of them. */
static size_t place_window(const struct window *window, const struct span *span, size_t count)
{
    const size_t last = span->length - count;
    return (size_t)window->start < last ? (size_t)window->start : last;
}

/* Sets all but the tables of an axis. */
static void plan(struct axis *axis, const struct span *span, size_t size, int is_mirrored)
{
    *axis = (struct axis){.size = size, .count = 1};
    struct window window = {0.0, 0, 0};
    for (size_t i = 0; i < size; i++) {
        window = find_window(span, i);
        size_t count = window.stop > window.start ? (size_t)(window.stop - window.start) : 0;
        axis->count = count > axis->count ? count : axis->count;
    }
    axis->stop = place_window(&window, span, axis->count) + axis->count;
    window = find_window(span, 0);
    axis->first = place_window(&window, span, axis->count);
    axis->is_kept = span->length == span->whole && !is_mirrored;
}

/* Sets the tables. All windows have the same count, so that no jump is mispredicted: one that is
 * smaller has weights of 0, before or after its own. */
static void fill(struct axis *axis, const struct span *span, int is_mirrored)
{
    const double inverse = 1.0 / span->width;
    for (size_t i = 0; i < axis->size; i++) {
        const struct window window = find_window(span, i);
        const size_t place = is_mirrored ? axis->size - 1 - i : i;
        const size_t start = place_window(&window, span, axis->count);
        int32_t *weights = axis->weights + place * axis->count;
        double sum = 0.0;
        for (int64_t k = window.start; k < window.stop; k++)
            sum += weigh(&window, inverse, k);
        memset(weights, 0, axis->count * sizeof *weights);
        for (int64_t k = window.start; k < window.stop; k++) {
            double weight = weigh(&window, inverse, k);
            weight = sum != 0.0 ? weight / sum : weight;
            weights[(size_t)k - start] = (int32_t)(0.5 + weight * ONE);
        }
        axis->starts[place] = start;
    }
}

static size_t round_up(size_t n) { return (n + LANES - 1) / LANES * LANES; }

/* Takes `n` elements of `width` bytes from the front of some memory. */
static void *take(char **memory, size_t n, size_t width)
{
    void *taken = *memory;
    *memory += round_up(n * width);
    return taken;
}

/* The bytes of the tables of an axis, at most; a double holds any number of them. */
static double size_tables(const struct axis *axis)
{
    double n = (double)axis->size;
    return n * sizeof(size_t) + n * (double)axis->count * sizeof(int32_t) + 2 * LANES;
}

int resize_plane(const struct resizing *r, int level)
{
    const struct passes *by = &passes[level];
    const struct span wide = measure(r->columns, r->whole_width, r->left);
    const struct span high = measure(r->rows, r->whole_height, r->top);
    const int64_t rows_less = (int64_t)r->rows - (int64_t)r->whole_height;
    const int is_down_first =
        rows_less > 0 && rows_less > 2 * ((int64_t)r->columns - (int64_t)r->whole_width);
    struct axis across, down;
    plan(&across, &wide, r->width, r->mirrored);
    plan(&down, &high, r->height, 0);
    /* `between` holds the result of the first pass, if there are two */
    const size_t rows = is_down_first ? r->height : down.stop - down.first;
    const size_t columns = across.stop - across.first;
    struct pixels between = {NULL, (ptrdiff_t)(is_down_first ? columns : r->width)};
    double size = size_tables(&across) + size_tables(&down) + (double)columns * LANES;
    size += (double)rows * (double)between.stride;
    char *const memory = size < (double)PTRDIFF_MAX ? malloc((size_t)size) : NULL, *at = memory;
    if (!memory)
        return 0;
    across.starts = take(&at, across.size, sizeof(size_t));
    across.weights = take(&at, across.size * across.count, sizeof(int32_t));
    down.starts = take(&at, down.size, sizeof(size_t));
    down.weights = take(&at, down.size * down.count, sizeof(int32_t));
    uint8_t *turned = take(&at, columns, LANES);
    between.data = (uint8_t *)at;
    fill(&across, &wide, r->mirrored);
    fill(&down, &high, 0);

    struct pixels src = move_down((struct pixels){(uint8_t *)r->src, r->src_stride}, down.first);
    const struct pixels dst = {r->dst, r->dst_stride};
    src.data += across.first;
    if (across.is_kept && down.is_kept) {
        copy(src, dst, r->height, r->width);
    } else if (across.is_kept) {
        by->go_down(src, dst, r->width, &down);
    } else if (down.is_kept) {
        by->go_across(src, dst, r->height, &across, turned);
    } else if (is_down_first) {
        by->go_down(src, between, columns, &down);
        by->go_across(between, dst, r->height, &across, turned);
    } else {
        by->go_across(src, between, rows, &across, turned);
        by->go_down(between, dst, r->width, &down);
    }
    free(memory);
    return 1;
}
