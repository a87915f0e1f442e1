/* The kernels: a table of functions for each level, which is a set of vector instructions. */
#ifndef GRAYTORGB_KERNELS_H
#define GRAYTORGB_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#elif defined(_MSC_VER)
#define INLINE static __forceinline
#else
#define INLINE static inline
#endif

/* The levels with vectors are built where the compiler has GNU's operators on vectors, and on x86-64
 * its target attributes: GCC and Clang, but neither MSVC nor clang-cl. GCC for Windows doesn't align
 * a 32-byte vector on the stack. */
#if defined(__GNUC__) && defined(__x86_64__) && (defined(__clang__) || !defined(_WIN32))
#define HAS_AVX
#endif
#if defined(__GNUC__) && defined(__aarch64__) && defined(__ARM_NEON) && !defined(__AARCH64EB__)
#define HAS_NEON /* for little-endian ARM alone, because neon.h counts a vector's bytes in that order */
#endif

enum source { FROM_U8, FROM_U16, FROM_I16, FROM_F16, FROM_F32, SOURCES };
enum target { TO_F32, TO_F16, TO_BF16, TO_U8, TARGETS };

extern const size_t source_size[SOURCES], target_size[TARGETS];

#define MOST_LANES 16

/* What the shuffles of AVX need to interleave elements of a width: which bytes of the source each of
 * three vectors takes, and, where a shuffle stays within 16 bytes, the doublewords to bring there
 * first. */
struct shuffle {
    size_t width;
    uint8_t bytes[3][4 * MOST_LANES];
    int32_t doublewords[3][MOST_LANES];
};

/* y = clamp(((x - mean) - rest) * scale, lowest, highest) in float32. mean + rest is the mean to
 * twice the precision: near it, where y is small, the difference keeps its relative precision,
 * and y with it.
 *
 * A vector of pixels becomes three vectors of result, one in each plane; or, interleaved, three
 * in a row, where lane j of vector k belongs to pixel (k LANES + j) / 3 and channel
 * (k LANES + j) % 3: the pixels are permuted, and the constants alternate. */
struct arithmetic {
    int interleaved;
    float mean[3][MOST_LANES], rest[3][MOST_LANES], scale[3][MOST_LANES];
    float lowest[3][MOST_LANES], highest[3][MOST_LANES];
    int32_t pixel[3][MOST_LANES];
    float first[MOST_LANES], last[MOST_LANES]; /* a float x outside of these, or NaN, is reported */
};

/* Each result is (n, 3), or three planes; n is any number. With `stream`, by stores that bypass
 * the caches, and then the result and each plane of it begin where a line of the cache does;
 * without, no address needs an alignment.
 * interleave: n elements.
 * normalize:  returns whether an x was outside. `plane` is the bytes from one plane to the next;
 *             the arithmetic is laid out for the level's lanes, and for the one of its tail.
 * stream:     copies n bytes by such stores, to any address.
 * fence:      after which other threads see what was streamed. */
#define LINE 64
typedef void interleave_kernel(const char *src, char *dst, size_t n, const struct shuffle *,
                               int stream);
typedef int normalize_kernel(const char *src, char *dst, size_t plane, size_t n,
                             const struct arithmetic *vectors, const struct arithmetic *tail,
                             int stream);
typedef void stream_kernel(const char *src, char *dst, size_t n);

struct level {
    const char *name;
    int lanes;   /* float32 values in a vector */
    int streams; /* whether it has stores that bypass the caches; if not, `stream` changes nothing */
    int (*usable)(void);
    interleave_kernel *interleave;
    normalize_kernel *normalize[SOURCES][TARGETS];
    stream_kernel *stream;
    void (*fence)(void);
};

/* The levels, from the portable one to the one with the widest vectors; the last entry is NULL. The
 * portable level is always usable, and the others must give the same results. */
extern const struct level *const levels[];

/* The constants of the arithmetic, for each channel. */
struct constants {
    float mean[3], rest[3], scale[3], lowest[3], highest[3], first, last;
};

void lay_out_shuffle(struct shuffle *, const struct level *, size_t width);
void lay_out_arithmetic(struct arithmetic *, const struct level *, int interleaved,
                        const struct constants *);

#endif
