/* The operations of resizing by AVX2: 16 sums of int32 in two vectors. */
#include <immintrin.h>

#undef TARGET
#undef NAME
#define TARGET __attribute__((target("avx2")))
#define NAME(name) name##_avx2
typedef struct {
    __m256i low, high;
} sums_avx2;

TARGET INLINE sums_avx2 start_avx2(void)
{
    const __m256i half = _mm256_set1_epi32(ONE / 2);
    return (sums_avx2){half, half};
}
TARGET INLINE sums_avx2 add_avx2(sums_avx2 sums, const uint8_t *src, int32_t weight)
{
    const __m256i weights = _mm256_set1_epi32(weight);
    __m256i low = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)src));
    __m256i high = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(src + 8)));
    sums.low = _mm256_add_epi32(sums.low, _mm256_mullo_epi32(low, weights));
    sums.high = _mm256_add_epi32(sums.high, _mm256_mullo_epi32(high, weights));
    return sums;
}
TARGET INLINE void finish_avx2(sums_avx2 sums, uint8_t *dst)
{
    __m256i low = _mm256_srli_epi32(sums.low, BITS), high = _mm256_srli_epi32(sums.high, BITS);
    __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xD8);
    __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words),
                                     _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128((__m128i *)dst, bytes);
}
/* Four times each row is interleaved with the one 8 further on. */
TARGET INLINE void turn_avx2(const uint8_t *src, ptrdiff_t src_stride, uint8_t *dst,
                             ptrdiff_t dst_stride)
{
    __m128i x[LANES], y[LANES];
    for (int i = 0; i < LANES; i++)
        x[i] = _mm_loadu_si128((const __m128i *)(src + i * src_stride));
    for (int time = 0; time < 4; time++) {
        for (int i = 0; i < LANES / 2; i++) {
            y[2 * i] = _mm_unpacklo_epi8(x[i], x[i + LANES / 2]);
            y[2 * i + 1] = _mm_unpackhi_epi8(x[i], x[i + LANES / 2]);
        }
        memcpy(x, y, sizeof x);
    }
    for (int i = 0; i < LANES; i++)
        _mm_storeu_si128((__m128i *)(dst + i * dst_stride), x[i]);
}
