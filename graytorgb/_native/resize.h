/* Resizing one plane of bytes with antialiasing, to the bits of Pillow's Image.resize. */
#ifndef GRAYTORGB_RESIZE_H
#define GRAYTORGB_RESIZE_H

#include <stddef.h>
#include <stdint.h>

/* `src` is (rows, columns), `dst` (height, width); each row is whole, and strides are bytes from one
 * row to the next, which may be negative. The box is the part that is resized: within the plane,
 * also between pixels, and pixels beyond it take part where the filter reaches them. `mirrored`
 * exchanges left and right. Sizes are 1 to INT32_MAX. */
struct resizing {
    const uint8_t *src;
    uint8_t *dst;
    size_t rows, columns, height, width;
    ptrdiff_t src_stride, dst_stride;
    float left, top, right, bottom;
    int mirrored;
};

/* By a level's vectors: its place in `levels`. Returns 0 if there isn't enough memory. */
int resize_plane(const struct resizing *, int level);

#endif
