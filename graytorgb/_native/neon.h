/* 16 bytes at a time: NEON, which every 64-bit ARM processor has. No store bypasses the caches, because
 * these processors find out themselves that whole lines are written. */
#include <arm_neon.h>

#undef LEVEL
#undef TARGET
#undef LANES
#undef STREAMS
#define LEVEL neon
#define TARGET
#define LANES 4
#define STREAMS 0

typedef float32x4_t float_neon;
typedef uint32x4_t mask_neon;
typedef uint8x16_t index_neon;

static int usable_neon(void) { return 1; }

/* Vectors are loaded and stored as bytes, because no address needs an alignment. */
TARGET INLINE uint16x4_t words_neon(const char *src)
{
    return vreinterpret_u16_u8(vld1_u8((const uint8_t *)src));
}

TARGET INLINE float32x4_t load_neon(int from, const char *src)
{
    uint32_t bytes;
    uint16x8_t words;
    switch (from) {
    case FROM_U8:
        memcpy(&bytes, src, 4);
        words = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(bytes)));
        return vcvtq_f32_u32(vmovl_u16(vget_low_u16(words)));
    case FROM_U16: return vcvtq_f32_u32(vmovl_u16(words_neon(src)));
    case FROM_I16: return vcvtq_f32_s32(vmovl_s16(vreinterpret_s16_u16(words_neon(src))));
    case FROM_F16: return vcvt_f32_f16(vreinterpret_f16_u16(words_neon(src)));
    default: return vreinterpretq_f32_u8(vld1q_u8((const uint8_t *)src));
    }
}

TARGET INLINE void store_neon(int to, char *dst, float32x4_t y, const int stream)
{
    (void)stream;
    uint16x4_t words;
    uint32_t bytes;
    switch (to) {
    case TO_F32: vst1q_u8((uint8_t *)dst, vreinterpretq_u8_f32(y)); return;
    case TO_F16: words = vreinterpret_u16_f16(vcvt_f16_f32(y)); break;
    case TO_BF16: { /* to nearest, ties to even */
        uint32x4_t bits = vreinterpretq_u32_f32(y);
        uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
        bits = vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7FFF)), odd);
        words = vshrn_n_u32(bits, 16);
        break;
    }
    default: /* 0 to 255, to nearest, ties to even */
        words = vmovn_u32(vcvtnq_u32_f32(y));
        bytes = vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(words, words))), 0);
        memcpy(dst, &bytes, 4);
        return;
    }
    vst1_u8((uint8_t *)dst, vreinterpret_u8_u16(words));
}

TARGET INLINE float32x4_t constant_neon(const float *values) { return vld1q_f32(values); }

/* Turns the positions of 4 floats into the positions of their 16 bytes. */
TARGET INLINE uint8x16_t positions_neon(const int32_t *values)
{
    const uint32x4_t first = vmulq_n_u32(vreinterpretq_u32_s32(vld1q_s32(values)), 0x04040404);
    return vreinterpretq_u8_u32(vaddq_u32(first, vdupq_n_u32(0x03020100)));
}
TARGET INLINE float32x4_t permute_neon(float32x4_t x, uint8x16_t index)
{
    return vreinterpretq_f32_u8(vqtbl1q_u8(vreinterpretq_u8_f32(x), index));
}
/* By comparisons: FMAXNM and FMINNM differ from the portable level for zeros of different signs, and
 * FMAX and FMIN for NaN. */
TARGET INLINE float32x4_t clamp_neon(float32x4_t y, float32x4_t lowest, float32x4_t highest)
{
    y = vbslq_f32(vcgtq_f32(y, lowest), y, lowest);
    return vbslq_f32(vcltq_f32(y, highest), y, highest);
}
TARGET INLINE uint32x4_t outside_neon(float32x4_t x, float32x4_t first, float32x4_t last)
{
    return vmvnq_u32(vandq_u32(vcgeq_f32(x, first), vcleq_f32(x, last)));
}
TARGET INLINE int any_neon(uint32x4_t mask) { return vmaxvq_u32(mask) != 0; }

/* Makes 48 bytes of result of 16 bytes of source, by a store that interleaves three vectors. */
#define INTERLEAVED(vector, store, lanes)                                                          \
    for (; n >= lanes; n -= lanes, src += 16, dst += 48) {                                         \
        const vector##_t x = (vector##_t)vld1q_u8((const uint8_t *)src);                           \
        const vector##x3_t three = {{x, x, x}};                                                    \
        store((void *)dst, three);                                                                 \
    }                                                                                              \
    break

static void interleave_neon(const char *src, char *dst, size_t n, const struct shuffle *shuffle,
                            int stream)
{
    (void)stream;
    const size_t width = shuffle->width;
    switch (width) {
    case 1: INTERLEAVED(uint8x16, vst3q_u8, 16);
    case 2: INTERLEAVED(uint16x8, vst3q_u16, 8);
    case 4: INTERLEAVED(uint32x4, vst3q_u32, 4);
    case 8: INTERLEAVED(uint64x2, vst3q_u64, 2);
    default:
        for (; width % 16 == 0 && n; n--, src += width, dst += 3 * width)
            for (size_t at = 0; at < width; at += 16)
                for (int k = 0; k < 3; k++)
                    vst1q_u8((uint8_t *)dst + k * width + at, vld1q_u8((const uint8_t *)src + at));
    }
    interleave_portable(src, dst, n, shuffle, 0);
}

static void stream_neon(const char *src, char *dst, size_t n) { memcpy(dst, src, n); }
static void fence_neon(void) {}
