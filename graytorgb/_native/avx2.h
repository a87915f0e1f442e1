/* 32 bytes at a time: AVX2, with F16C for float16. */
#include <cpuid.h>
#include <immintrin.h>

#undef LEVEL
#undef TARGET
#undef LANES
#undef STREAMS
#define LEVEL avx2
#define TARGET __attribute__((target("avx2,f16c")))
#define LANES 8
#define STREAMS 1

typedef __m256 float_avx2;
typedef __m256i mask_avx2;
typedef __m256i index_avx2;

/* __builtin_cpu_supports knows the name "f16c" from GCC 11 and Clang 18 on. That the system saves
 * the registers, which F16C needs too, is part of its answer for AVX2. */
static int has_f16c(void)
{
    unsigned int a, b, c = 0, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

static int usable_avx2(void) { return __builtin_cpu_supports("avx2") && has_f16c(); }

TARGET INLINE __m256 load_avx2(int from, const char *src)
{
    switch (from) {
    case FROM_U8:
        return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)src)));
    case FROM_U16:
        return _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)src)));
    case FROM_I16:
        return _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)src)));
    case FROM_F16: return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)src));
    default: return _mm256_loadu_ps((const float *)src);
    }
}

/* The low words of 8 doublewords, in order. */
TARGET INLINE __m128i words_avx2(__m256i doublewords)
{
    __m256i packed = _mm256_packus_epi32(doublewords, doublewords); /* in each half */
    return _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0x08));
}

TARGET INLINE void put_avx2(char *dst, __m128i words, const int stream)
{
    if (stream)
        _mm_stream_si128((__m128i *)dst, words);
    else
        _mm_storeu_si128((__m128i *)dst, words);
}

TARGET INLINE void store_avx2(int to, char *dst, __m256 y, const int stream)
{
    __m128i words;
    switch (to) {
    case TO_F32:
        if (stream)
            _mm256_stream_ps((float *)dst, y);
        else
            _mm256_storeu_ps((float *)dst, y);
        return;
    case TO_F16: words = _mm256_cvtps_ph(y, _MM_FROUND_TO_NEAREST_INT); break;
    case TO_BF16: {
        __m256i bits = _mm256_castps_si256(y);
        __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
        bits = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7FFF)), odd);
        words = words_avx2(_mm256_srli_epi32(bits, 16));
        break;
    }
    default:
        words = words_avx2(_mm256_cvtps_epi32(y));
        words = _mm_packus_epi16(words, words);
        if (stream)
            _mm_stream_si64((long long *)dst, _mm_cvtsi128_si64(words));
        else
            _mm_storel_epi64((__m128i *)dst, words);
        return;
    }
    put_avx2(dst, words, stream);
}

TARGET INLINE __m256 constant_avx2(const float *values) { return _mm256_loadu_ps(values); }
TARGET INLINE __m256i positions_avx2(const int32_t *values)
{
    return _mm256_loadu_si256((const __m256i *)values);
}
TARGET INLINE __m256 permute_avx2(__m256 x, __m256i index)
{
    return _mm256_permutevar8x32_ps(x, index);
}
TARGET INLINE __m256 clamp_avx2(__m256 y, __m256 lowest, __m256 highest)
{
    return _mm256_min_ps(_mm256_max_ps(y, lowest), highest);
}
TARGET INLINE __m256i outside_avx2(__m256 x, __m256 first, __m256 last)
{
    __m256 below = _mm256_cmp_ps(x, first, _CMP_NGE_UQ), above = _mm256_cmp_ps(x, last, _CMP_NLE_UQ);
    return _mm256_castps_si256(_mm256_or_ps(below, above));
}
TARGET INLINE int any_avx2(__m256i mask) { return !_mm256_testz_si256(mask, mask); }

/* Makes 96 bytes of result of 32 bytes of source. Each half of a result's vector needs at most 4
 * consecutive doublewords of the source: they are brought there, then shuffled. */
TARGET static void interleave_avx2(const char *src, char *dst, size_t n,
                                   const struct shuffle *shuffle, int stream)
{
    const size_t each = 32 % shuffle->width ? 0 : 32 / shuffle->width;
    __m256i doublewords[3], bytes[3];
    for (int k = 0; k < 3; k++) {
        doublewords[k] = _mm256_loadu_si256((const __m256i *)shuffle->doublewords[k]);
        bytes[k] = _mm256_loadu_si256((const __m256i *)shuffle->bytes[k]);
    }
    for (; each && n >= each; n -= each, src += 32, dst += 96) {
        __m256i x = _mm256_loadu_si256((const __m256i *)src);
        for (int k = 0; k < 3; k++) {
            __m256i near = _mm256_permutevar8x32_epi32(x, doublewords[k]);
            __m256i y = _mm256_shuffle_epi8(near, bytes[k]);
            if (stream)
                _mm256_stream_si256((__m256i *)(dst + 32 * k), y);
            else
                _mm256_storeu_si256((__m256i *)(dst + 32 * k), y);
        }
    }
    interleave_portable(src, dst, n, shuffle, 0);
}

TARGET static void stream_avx2(const char *src, char *dst, size_t n)
{
    size_t head = (size_t)(-(uintptr_t)dst & 31);
    head = head < n ? head : n;
    memcpy(dst, src, head);
    for (src += head, dst += head, n -= head; n >= 32; n -= 32, src += 32, dst += 32)
        _mm256_stream_si256((__m256i *)dst, _mm256_loadu_si256((const __m256i *)src));
    memcpy(dst, src, n);
}

static void fence_avx2(void) { _mm_sfence(); }
