/* 64 bytes at a time: AVX-512 with BW for bytes, and VBMI, whose shuffle takes any byte. */
#undef LEVEL
#undef TARGET
#undef LANES
#undef STREAMS
#define LEVEL avx512
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx2,f16c")))
#define LANES 16
#define STREAMS 1

typedef __m512 float_avx512;
typedef __mmask16 mask_avx512;
typedef __m512i index_avx512;

static int usable_avx512(void)
{
    return usable_avx2() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vbmi");
}

TARGET INLINE __m512 load_avx512(int from, const char *src)
{
    switch (from) {
    case FROM_U8:
        return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)src)));
    case FROM_U16:
        return _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)src)));
    case FROM_I16:
        return _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm256_loadu_si256((const __m256i *)src)));
    case FROM_F16: return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)src));
    default: return _mm512_loadu_ps((const float *)src);
    }
}

TARGET INLINE void store_avx512(int to, char *dst, __m512 y, const int stream)
{
    __m256i words;
    __m128i bytes;
    switch (to) {
    case TO_F32:
        if (stream)
            _mm512_stream_ps((float *)dst, y);
        else
            _mm512_storeu_ps((float *)dst, y);
        return;
    case TO_F16: words = _mm512_cvtps_ph(y, _MM_FROUND_TO_NEAREST_INT); break;
    case TO_BF16: {
        __m512i bits = _mm512_castps_si512(y);
        __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
        bits = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), odd);
        words = _mm512_cvtepi32_epi16(_mm512_srli_epi32(bits, 16));
        break;
    }
    default:
        bytes = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(y));
        if (stream)
            _mm_stream_si128((__m128i *)dst, bytes);
        else
            _mm_storeu_si128((__m128i *)dst, bytes);
        return;
    }
    if (stream)
        _mm256_stream_si256((__m256i *)dst, words);
    else
        _mm256_storeu_si256((__m256i *)dst, words);
}

TARGET INLINE __m512 constant_avx512(const float *values) { return _mm512_loadu_ps(values); }
TARGET INLINE __m512i positions_avx512(const int32_t *values) { return _mm512_loadu_si512(values); }
TARGET INLINE __m512 permute_avx512(__m512 x, __m512i index)
{
    return _mm512_permutexvar_ps(index, x);
}
TARGET INLINE __m512 clamp_avx512(__m512 y, __m512 lowest, __m512 highest)
{
    return _mm512_min_ps(_mm512_max_ps(y, lowest), highest);
}
TARGET INLINE __mmask16 outside_avx512(__m512 x, __m512 first, __m512 last)
{
    return _mm512_cmp_ps_mask(x, first, _CMP_NGE_UQ) | _mm512_cmp_ps_mask(x, last, _CMP_NLE_UQ);
}
TARGET INLINE int any_avx512(__mmask16 mask) { return mask != 0; }

TARGET static void interleave_avx512(const char *src, char *dst, size_t n,
                                     const struct shuffle *shuffle, int stream)
{
    const size_t each = 64 % shuffle->width ? 0 : 64 / shuffle->width;
    __m512i bytes[3];
    for (int k = 0; k < 3; k++)
        bytes[k] = _mm512_loadu_si512(shuffle->bytes[k]);
    for (; each && n >= each; n -= each, src += 64, dst += 192) {
        __m512i x = _mm512_loadu_si512(src);
        for (int k = 0; k < 3; k++) {
            __m512i y = _mm512_permutexvar_epi8(bytes[k], x);
            if (stream)
                _mm512_stream_si512((__m512i *)(dst + 64 * k), y);
            else
                _mm512_storeu_si512(dst + 64 * k, y);
        }
    }
    interleave_portable(src, dst, n, shuffle, 0);
}

TARGET static void stream_avx512(const char *src, char *dst, size_t n)
{
    size_t head = (size_t)(-(uintptr_t)dst & 63);
    head = head < n ? head : n;
    memcpy(dst, src, head);
    for (src += head, dst += head, n -= head; n >= 64; n -= 64, src += 64, dst += 64)
        _mm512_stream_si512((__m512i *)dst, _mm512_loadu_si512(src));
    memcpy(dst, src, n);
}

static void fence_avx512(void) { _mm_sfence(); }
