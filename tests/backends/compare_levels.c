/* Compares the results of every level of the kernels with the portable level's, bit by bit, without
 * Python: for processors and systems whose Python isn't here. Prints the levels, and returns 0 if all
 * are equal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counting.h"
#include "kernels.h"
#include "memory.h"
#include "resize.h"
#include "work.h"

#define MOST 1000 /* elements */
#define ROOM (3 * WIDEST * MOST + 2 * LINE)

static uint64_t state = 88172645463325252u;

static uint32_t draw(void) /* xorshift64 */
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (uint32_t)(state >> 16);
}

static void fill(void *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)data)[i] = (uint8_t)draw();
}

static char source[WIDEST * MOST + 64], expected[ROOM], result[ROOM];

static int differs(const char *what, const struct level *level, size_t a, size_t b, size_t n)
{
    if (!memcmp(expected, result, ROOM))
        return 0;
    printf("%s differs at level %s: %zu, %zu, %zu\n", what, level->name, a, b, n);
    return 1;
}

static int compare_interleave(const struct level *level, const size_t *counts)
{
    int bad = 0;
    struct shuffle shuffle[2];
    fill(source, sizeof source);
    for (size_t width = 1; width <= WIDEST; width++) {
        lay_out_shuffle(&shuffle[0], levels[0], width);
        lay_out_shuffle(&shuffle[1], level, width);
        for (const size_t *n = counts; *n; n++)
            for (size_t offset = 0; offset < 3; offset++) {
                memset(expected, 0x55, ROOM), memset(result, 0x55, ROOM);
                levels[0]->interleave(source + offset, expected + offset, *n, &shuffle[0], 0);
                level->interleave(source + offset, result + offset, *n, &shuffle[1], 0);
                bad |= differs("interleave", level, width, offset, *n);
            }
    }
    return bad;
}

/* Values of any bits, NaN and subnormal among them; and bounds that are zeros of either sign. */
static void draw_constants(struct constants *c, int target)
{
    static const float lowest[] = {0.0f, -0.0f, -1.5f}, highest[] = {-0.0f, 0.0f, 200.0f};
    for (int k = 0; k < 3; k++) {
        c->mean[k] = (float)(draw() % 3) * 0.125f;
        c->rest[k] = (float)(draw() % 3) * 1e-9f;
        c->scale[k] = draw() % 2 ? 1.0f : (float)(draw() % 1000) * (draw() % 2 ? 0.01f : -0.01f);
        c->lowest[k] = target == TO_U8 ? 0.0f : lowest[draw() % 3];
        c->highest[k] = target == TO_U8 ? 255.0f : highest[draw() % 3];
        if (target != TO_U8 && draw() % 2)
            c->lowest[k] = -3e38f * 10, c->highest[k] = 3e38f * 10;
    }
    c->first = 0.0f, c->last = 1.0f;
}

/* Floats from 0 to 1, the ends often, and at most one NaN. */
static void fill_within(int from, size_t n)
{
    size_t nan = draw() % 2 ? draw() % n : n;
    for (size_t i = 0; i < n; i++) {
        uint16_t half = (uint16_t)(draw() % 3 ? draw() % 0x3C01 : draw() % 2 * 0x3C00);
        uint32_t single = draw() % 3 ? draw() % 0x3F800001 : draw() % 2 * 0x3F800000;
        half = i == nan ? 0x7E01 : half, single = i == nan ? 0x7FC00001 : single;
        if (from == FROM_F16)
            memcpy(source + 2 * i, &half, 2);
        else
            memcpy(source + 4 * i, &single, 4);
    }
}

static int compare_normalize(const struct level *level, const size_t *counts)
{
    int bad = 0;
    struct arithmetic tail, vectors;
    struct constants constants;
    for (int from = 0; from < SOURCES; from++)
        for (int to = 0; to < TARGETS; to++)
            for (const size_t *n = counts; *n; n++)
                for (int interleaved = 0; interleaved < 2; interleaved++) {
                    fill(source, *n * source_size[from]);
                    if (from >= FROM_F16 && draw() % 2)
                        fill_within(from, *n);
                    draw_constants(&constants, to);
                    lay_out_arithmetic(&tail, levels[0], interleaved, &constants);
                    lay_out_arithmetic(&vectors, level, interleaved, &constants);
                    memset(expected, 0x55, ROOM), memset(result, 0x55, ROOM);
                    size_t plane = (*n + 3) * target_size[to], offset = draw() % 3;
                    int flag = levels[0]->normalize[from][to](source, expected + offset, plane, *n,
                                                              &tail, &tail, 0);
                    flag ^= level->normalize[from][to](source, result + offset, plane, *n, &vectors,
                                                       &tail, 0);
                    if (flag)
                        printf("%s reports another pixel\n", level->name);
                    bad |= flag;
                    bad |= differs("normalize", level, (size_t)from, (size_t)to, *n);
                }
    return bad;
}

static int compare_resize(int level)
{
    int bad = 0;
    for (int time = 0; time < 400; time++) {
        struct resizing r = {0};
        r.rows = 1 + draw() % 70, r.columns = 1 + draw() % 70;
        r.whole_height = 1 + draw() % 60, r.whole_width = 1 + draw() % 60;
        r.top = draw() % r.whole_height, r.left = draw() % r.whole_width;
        r.height = 1 + draw() % (r.whole_height - r.top);
        r.width = 1 + draw() % (r.whole_width - r.left);
        r.src_stride = (ptrdiff_t)r.columns + draw() % 5, r.dst_stride = (ptrdiff_t)r.width + 3;
        r.mirrored = draw() % 2;
        fill(source, sizeof source);
        if (draw() % 2)
            for (size_t i = 0; i < sizeof source; i++)
                source[i] = source[i] & 1 ? (char)-1 : 0;
        r.src = (const uint8_t *)source;
        memset(expected, 0x55, ROOM), memset(result, 0x55, ROOM);
        r.dst = (uint8_t *)expected;
        int enough = resize_plane(&r, 0);
        r.dst = (uint8_t *)result;
        enough &= resize_plane(&r, level);
        bad |= !enough || differs("resize", levels[level], r.rows, r.columns, r.width);
    }
    return bad;
}

/* A whole call by two threads, in memory of the cache of results, and a count of its bytes. */
static int compare_work(int level)
{
    const size_t n = 200001;
    char *const gray = malloc(n), *const rgb = memory_malloc(NULL, 3 * n);
    if (!gray || !rgb)
        return 1;
    fill(gray, n);
    struct work work = {.level = levels[level], .src = gray, .dst = rgb, .before = 1, .after = n};
    work.width = work.result_width = 1, work.interleaved = 1;
    lay_out_shuffle(&work.shuffle, work.level, 1);
    int bad = do_work(&work, 2);
    for (size_t i = 0; i < n; i++)
        bad |= rgb[3 * i] != gray[i] || rgb[3 * i + 1] != gray[i] || rgb[3 * i + 2] != gray[i];
    uint64_t counts[256] = {0}, sum = 0;
    count_bytes(&(struct picked){rgb, 3 * n, 1, 1}, counts);
    for (int i = 0; i < 256; i++)
        sum += counts[i];
    const struct spread spread = spread_bytes(&(struct picked){rgb, n, 3, 3}, 255);
    bad |= sum != 3 * n || spread.largest || spread.sum;
    memory_free(NULL, rgb, 3 * n);
    free(gray);
    return bad;
}

int main(void)
{
    static const size_t few[] = {1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 33, 64, 65, 130, 0};
    static const size_t many[] = {1, 3, 4, 5, 8, 15, 16, 17, 31, 64, 100, MOST, 0};
    int bad = 0;
    for (int i = 0; levels[i]; i++) {
        if (!levels[i]->usable())
            continue;
        printf("%s ", levels[i]->name);
        bad |= compare_interleave(levels[i], few) | compare_normalize(levels[i], many);
        bad |= compare_resize(i) | compare_work(i);
    }
    printf("%s\n", bad ? "differ" : "equal");
    return bad;
}
