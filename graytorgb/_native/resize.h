/* A part of one plane of bytes, resized with antialiasing to the bits of Pillow. */
#ifndef GRAYTORGB_RESIZE_H
#define GRAYTORGB_RESIZE_H

#include <stddef.h>
#include <stdint.h>

/* `src` is (rows, columns) and would become (whole_height, whole_width); `dst`, (height, width), gets
 * the part of that from (top, left) on. Each row is whole, and strides are bytes from one row to the
 * next, which may be negative. `mirrored` exchanges left and right of the part. Sizes are 1 to
 * INT32_MAX. */
struct resizing {
    const uint8_t *src;
    uint8_t *dst;
    size_t rows, columns, whole_height, whole_width, top, left, height, width;
    ptrdiff_t src_stride, dst_stride;
    int mirrored;
};

/* By a level's vectors: its place in `levels`. Returns 0 if there isn't enough memory. */
int resize_plane(const struct resizing *, int level);

#endif
