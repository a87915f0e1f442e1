/* The function of the Python module that resizes a plane. */
#include "bindings.h"

#include "resize.h"

/* The rows of a plane: 0 and an error if it isn't one of whole rows of bytes. */
static int check_plane(const Py_buffer *plane, size_t *rows, size_t *columns, ptrdiff_t *stride)
{
    if (plane->ndim != 2 || plane->itemsize != 1)
        return fail("a plane has two axes, of elements of 1 byte");
    const Py_ssize_t *sizes = plane->shape;
    if (sizes[0] < 1 || sizes[1] < 1 || sizes[0] > INT32_MAX || sizes[1] > INT32_MAX)
        return fail("each side of a plane is 1 to 2^31 - 1");
    if (sizes[1] > 1 && plane->strides[1] != 1)
        return fail("the elements of a row aren't neighbors");
    *rows = (size_t)sizes[0], *columns = (size_t)sizes[1], *stride = plane->strides[0];
    return 1;
}

/* Whether two planes share no byte, by the first and the last byte of each. */
static int are_apart(const struct resizing *r)
{
    const ptrdiff_t read = (ptrdiff_t)(r->rows - 1) * r->src_stride;
    const ptrdiff_t written = (ptrdiff_t)(r->height - 1) * r->dst_stride;
    const uintptr_t src = (uintptr_t)r->src, dst = (uintptr_t)r->dst;
    return src + (size_t)(read > 0 ? read : 0) + r->columns <= dst + (size_t)(written < 0 ? written : 0) ||
           dst + (size_t)(written > 0 ? written : 0) + r->width <= src + (size_t)(read < 0 ? read : 0);
}

PyDoc_STRVAR(resize_doc,
"resize(plane, out, height, width, top, left, mirrored, level)\n--\n\n"
"Resize `plane` to (height, width) and write the part from (top, left) on, as large as `out`. Both\n"
"are uint8 of two axes. The bits are those of Pillow's Image.resize((width, height), BILINEAR) and\n"
"crop; `mirrored` exchanges left and right of the part then.");

static PyObject *resize(PyObject *module, PyObject *arguments)
{
    PyObject *from, *to, *result = NULL;
    Py_buffer plane = {0}, out = {0};
    struct resizing r;
    int height, width, top, left, level, enough;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "OOiiiipi:resize", &from, &to, &height, &width, &top, &left,
                          &r.mirrored, &level) ||
        PyObject_GetBuffer(from, &plane, PyBUF_STRIDES) < 0 ||
        PyObject_GetBuffer(to, &out, PyBUF_STRIDES | PyBUF_WRITABLE) < 0 ||
        !check_plane(&plane, &r.rows, &r.columns, &r.src_stride) ||
        !check_plane(&out, &r.height, &r.width, &r.dst_stride) || !check_level(level))
        goto done;
    r.src = plane.buf, r.dst = out.buf;
    if (!are_apart(&r)) {
        fail("source and result overlap");
    } else if (top < 0 || left < 0 || height < 1 || width < 1 || r.height > (size_t)height ||
               r.width > (size_t)width || (size_t)top > (size_t)height - r.height ||
               (size_t)left > (size_t)width - r.width) {
        fail("the part isn't within the resized plane");
    } else {
        r.whole_height = (size_t)height, r.whole_width = (size_t)width;
        r.top = (size_t)top, r.left = (size_t)left;
        Py_BEGIN_ALLOW_THREADS
        enough = resize_plane(&r, level < 0 ? best_level : level);
        Py_END_ALLOW_THREADS
        result = enough ? Py_NewRef(Py_None) : PyErr_NoMemory();
    }
done:
    if (out.obj)
        PyBuffer_Release(&out);
    if (plane.obj)
        PyBuffer_Release(&plane);
    return result;
}

PyMethodDef resize_methods[] = {
    {"resize", resize, METH_VARARGS, resize_doc},
    {NULL, NULL, 0, NULL},
};
