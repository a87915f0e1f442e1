/* The operations of resizing by NEON: 16 sums of int32 in four vectors. */
#include <arm_neon.h>

#undef TARGET
#undef NAME
#define TARGET
#define NAME(name) name##_neon
typedef int32x4x4_t sums_neon;

TARGET INLINE int32x4x4_t start_neon(void)
{
    const int32x4_t half = vdupq_n_s32(ONE / 2);
    return (int32x4x4_t){{half, half, half, half}};
}
TARGET INLINE int32x4x4_t add_neon(int32x4x4_t sums, const uint8_t *src, int32_t weight)
{
    const uint8x16_t bytes = vld1q_u8(src);
    const int16x8_t low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(bytes)));
    const int16x8_t high = vreinterpretq_s16_u16(vmovl_high_u8(bytes));
    sums.val[0] = vmlaq_n_s32(sums.val[0], vmovl_s16(vget_low_s16(low)), weight);
    sums.val[1] = vmlaq_n_s32(sums.val[1], vmovl_high_s16(low), weight);
    sums.val[2] = vmlaq_n_s32(sums.val[2], vmovl_s16(vget_low_s16(high)), weight);
    sums.val[3] = vmlaq_n_s32(sums.val[3], vmovl_high_s16(high), weight);
    return sums;
}
/* No sum is negative, because no weight is. */
TARGET INLINE void finish_neon(int32x4x4_t sums, uint8_t *dst)
{
    uint16x4_t words[4];
    for (int i = 0; i < 4; i++)
        words[i] = vshrn_n_u32(vreinterpretq_u32_s32(sums.val[i]), 16);
    uint8x8_t low = vqshrn_n_u16(vcombine_u16(words[0], words[1]), BITS - 16);
    uint8x8_t high = vqshrn_n_u16(vcombine_u16(words[2], words[3]), BITS - 16);
    vst1q_u8(dst, vcombine_u8(low, high));
}
/* Four times each row is interleaved with the one 8 further on. */
TARGET INLINE void turn_neon(const uint8_t *src, ptrdiff_t src_stride, uint8_t *dst,
                             ptrdiff_t dst_stride)
{
    uint8x16_t x[LANES], y[LANES];
    for (int i = 0; i < LANES; i++)
        x[i] = vld1q_u8(src + i * src_stride);
    for (int time = 0; time < 4; time++) {
        for (int i = 0; i < LANES / 2; i++) {
            y[2 * i] = vzip1q_u8(x[i], x[i + LANES / 2]);
            y[2 * i + 1] = vzip2q_u8(x[i], x[i + LANES / 2]);
        }
        memcpy(x, y, sizeof x);
    }
    for (int i = 0; i < LANES; i++)
        vst1q_u8(dst + i * dst_stride, x[i]);
}
