/* The portable level: plain C that does one element at a time. The vector levels call it for the
 * elements that don't fill a vector. */
#define LEVEL portable
#define TARGET
#define LANES 1
#define STREAMS 0

typedef float float_portable;
typedef int mask_portable;
typedef int index_portable;

static int usable_portable(void) { return 1; }

INLINE float half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, rest = half & 0x7FFF, bits;
    float value;
    if (rest >= 0x7C00)
        bits = 0x7F800000 | (rest & 0x3FF) << 13;
    else if (rest >= 0x400)
        bits = (rest << 13) + ((127 - 15) << 23);
    else {
        value = (float)rest * 0x1p-24f; /* subnormal, and exact */
        memcpy(&bits, &value, 4);
    }
    bits |= sign;
    memcpy(&value, &bits, 4);
    return value;
}

/* To nearest, ties to even. */
INLINE uint16_t float_to_half(float value)
{
    uint32_t bits, sign, rest;
    memcpy(&bits, &value, 4);
    sign = bits >> 16 & 0x8000;
    rest = bits & 0x7FFFFFFF;
    if (rest > 0x7F800000)
        return (uint16_t)(sign | 0x7E00 | (rest >> 13 & 0x3FF));
    if (rest >= 0x477FF000) /* rounds to more than the largest, 65504 */
        return (uint16_t)(sign | 0x7C00);
    if (rest < 0x38800000) { /* subnormal: adding 1/2 leaves the rounded multiple of 2^-24 */
        float magnitude;
        memcpy(&magnitude, &rest, 4);
        magnitude += 0.5f;
        memcpy(&rest, &magnitude, 4);
        return (uint16_t)(sign | (rest - 0x3F000000));
    }
    rest += 0xFFF + (rest >> 13 & 1) - ((uint32_t)(127 - 15) << 23);
    return (uint16_t)(sign | rest >> 13);
}

INLINE float load_portable(int from, const char *src)
{
    uint8_t byte;
    uint16_t word;
    float value;
    switch (from) {
    case FROM_U8: memcpy(&byte, src, 1); return byte;
    case FROM_U16: memcpy(&word, src, 2); return word;
    case FROM_I16: memcpy(&word, src, 2); return (int16_t)word;
    case FROM_F16: memcpy(&word, src, 2); return half_to_float(word);
    default: memcpy(&value, src, 4); return value;
    }
}

INLINE void store_portable(int to, char *dst, float y, int stream)
{
    (void)stream;
    uint32_t bits;
    uint16_t word;
    switch (to) {
    case TO_F32: memcpy(dst, &y, 4); return;
    case TO_F16: word = float_to_half(y); break;
    case TO_BF16: /* to nearest, ties to even */
        memcpy(&bits, &y, 4);
        word = (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
        break;
    default: /* 0 to 255: in 2^23 to 2^24 float32 holds integers, so adding rounds */
        y += 0x1p23f;
        memcpy(&bits, &y, 4);
        *dst = (char)(bits & 0xFF);
        return;
    }
    memcpy(dst, &word, 2);
}

INLINE float constant_portable(const float *values) { return values[0]; }
INLINE int positions_portable(const int32_t *values) { return values[0]; }
INLINE float permute_portable(float x, int index) { return (void)index, x; }
INLINE float clamp_portable(float y, float lowest, float highest)
{
    y = y > lowest ? y : lowest;
    return y < highest ? y : highest;
}
INLINE int outside_portable(float x, float first, float last) { return !(x >= first && x <= last); }
INLINE int any_portable(int mask) { return mask; }

#define ELEMENTS(type)                                                                             \
    for (; n; n--, src += sizeof(type), dst += 3 * sizeof(type)) {                                 \
        type element;                                                                              \
        memcpy(&element, src, sizeof(type));                                                       \
        memcpy(dst, &element, sizeof(type));                                                       \
        memcpy(dst + sizeof(type), &element, sizeof(type));                                        \
        memcpy(dst + 2 * sizeof(type), &element, sizeof(type));                                    \
    }                                                                                              \
    break

static void interleave_portable(const char *src, char *dst, size_t n,
                                const struct shuffle *shuffle, int stream)
{
    (void)stream;
    const size_t width = shuffle->width;
    switch (width) {
    case 1: ELEMENTS(uint8_t);
    case 2: ELEMENTS(uint16_t);
    case 4: ELEMENTS(uint32_t);
    case 8: ELEMENTS(uint64_t);
    default:
        for (; n; n--, src += width)
            for (int k = 0; k < 3; k++, dst += width)
                memcpy(dst, src, width);
    }
}

static void stream_portable(const char *src, char *dst, size_t n) { memcpy(dst, src, n); }
static void fence_portable(void) {}
