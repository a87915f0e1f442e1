/* The Python module. It checks every argument, and no other file checks them again. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#include <numpy/arrayobject.h>

#include <string.h>
#ifndef _WIN32
#include <unistd.h>
#endif

#include "counting.h"
#include "memory.h"
#include "resize.h"
#include "threads.h"
#include "work.h"

static int level_count, best_level;

/* Two buffers and the batch in them. */
struct batch {
    Py_buffer src, dst;
    struct work work;
    int threads;
};

static int fail(const char *message)
{
    PyErr_SetString(PyExc_ValueError, message);
    return 0;
}

/* The product of the sizes (before, after, ..., width); 0 if size_t can't hold it. */
static size_t bytes_of(size_t before, size_t after, size_t width)
{
    if (after && before > PY_SSIZE_T_MAX / 3 / after / width)
        return 0;
    return before * after * width;
}

/* Whether this processor runs a level: one of `levels`, or -1 for the best. */
static int check_level(int level)
{
    if (level < -1 || level >= level_count)
        return fail("no such level");
    if (!levels[level < 0 ? 0 : level]->usable())
        return fail("this processor hasn't the instructions of that level");
    return 1;
}

static int check(struct batch *batch, Py_ssize_t before, Py_ssize_t after, Py_ssize_t width,
                 Py_ssize_t result_width, int level)
{
    if (before < 1 || after < 1 || width < 1)
        return fail("before, after and width must be at least 1");
    if (width > WIDEST)
        return fail("an element has more bytes than any that NumPy has");
    size_t read = bytes_of(before, after, width), written = bytes_of(before, after, result_width);
    if (!read || (size_t)batch->src.len != read)
        return fail("the source hasn't before * after * width bytes");
    if (!written || (size_t)batch->dst.len != 3 * written)
        return fail("the result hasn't 3 * before * after * width bytes");
    const char *src = batch->src.buf, *dst = batch->dst.buf;
    if (src < dst + batch->dst.len && dst < src + batch->src.len)
        return fail("source and result overlap");
    if (!check_level(level))
        return 0;
    batch->work.level = levels[level < 0 ? best_level : level];
    batch->work.src = src, batch->work.dst = batch->dst.buf;
    batch->work.before = before, batch->work.after = after;
    batch->work.width = width, batch->work.result_width = result_width;
    return 1;
}

static void release(struct batch *batch)
{
    if (batch->src.obj)
        PyBuffer_Release(&batch->src);
    if (batch->dst.obj)
        PyBuffer_Release(&batch->dst);
}

static int do_without_gil(struct batch *batch)
{
    int outside;
    Py_BEGIN_ALLOW_THREADS
    outside = do_work(&batch->work, batch->threads);
    Py_END_ALLOW_THREADS
    return outside;
}

PyDoc_STRVAR(expand_doc,
"expand(gray, out, before, after, width, interleaved, stream, threads, level)\n--\n\n"
"Copy (before, after) elements of `width` bytes three times into `out`, (before, after, 3) if\n"
"`interleaved` and (before, 3, after) if not. Level -1 is the best that the processor has.");

static PyObject *expand(PyObject *module, PyObject *arguments)
{
    struct batch batch = {0};
    Py_ssize_t before, after, width;
    int level;
    PyObject *result = NULL;
    (void)module;
    if (PyArg_ParseTuple(arguments, "y*w*nnnppii:expand", &batch.src, &batch.dst, &before, &after,
                         &width, &batch.work.interleaved, &batch.work.stream, &batch.threads,
                         &level) &&
        check(&batch, before, after, width, width, level)) {
        if (batch.work.interleaved)
            lay_out_shuffle(&batch.work.shuffle, batch.work.level, (size_t)width);
        do_without_gil(&batch);
        result = Py_NewRef(Py_None);
    }
    release(&batch);
    return result;
}

PyDoc_STRVAR(normalize_doc,
"normalize(gray, out, before, after, source, target, constants, interleaved, stream, threads,\n"
"          level)\n--\n\n"
"Write clamp(((x - mean) - rest) * scale, lowest, highest) for each of three channels, in\n"
"float32. `source` counts uint8, uint16, int16, float16, float32, and `target` float32, float16,\n"
"bfloat16, uint8. `constants` are 17 float32: mean, rest, scale, lowest and highest of each\n"
"channel, then the bounds of a float x. Returns whether a float x was outside of them, or NaN.");

static PyObject *normalize(PyObject *module, PyObject *arguments)
{
    struct batch batch = {0};
    struct work *work = &batch.work;
    struct constants values;
    Py_buffer constants = {0};
    Py_ssize_t before, after;
    int source, target, level;
    PyObject *result = NULL;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "y*w*nniiy*ppii:normalize", &batch.src, &batch.dst, &before,
                          &after, &source, &target, &constants, &batch.work.interleaved,
                          &batch.work.stream, &batch.threads, &level))
        goto done;
    if (source < 0 || source >= SOURCES || target < 0 || target >= TARGETS) {
        fail("no such source or target");
        goto done;
    }
    if (constants.len != sizeof(struct constants)) {
        fail("constants must be 17 float32");
        goto done;
    }
    if (!check(&batch, before, after, source_size[source], target_size[target], level))
        goto done;
    memcpy(&values, constants.buf, sizeof values);
    work->normalize = work->level->normalize[source][target];
    lay_out_arithmetic(&work->vectors, work->level, work->interleaved, &values);
    lay_out_arithmetic(&work->tail, levels[0], work->interleaved, &values);
    result = PyBool_FromLong(do_without_gil(&batch));
done:
    if (constants.obj)
        PyBuffer_Release(&constants);
    release(&batch);
    return result;
}

PyDoc_STRVAR(write_doc, "write(out, stream, threads)\n--\n\n"
"Write all of `out`, without reading anything: a benchmark's limit.");

static PyObject *write_all(PyObject *module, PyObject *arguments)
{
    Py_buffer out;
    int stream, threads;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "w*pi:write", &out, &stream, &threads))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    only_write(levels[best_level], out.buf, (size_t)out.len, stream, threads > 1 ? threads : 1);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&out);
    return Py_NewRef(Py_None);
}

/* Sets the elements that count; 0 and an error if `values` hasn't whole periods of them. */
static int pick(struct picked *picked, const Py_buffer *values, Py_ssize_t width, Py_ssize_t period,
                Py_ssize_t used)
{
    if (width != 1 && width != 2)
        return fail("an element has 1 or 2 bytes");
    if (period < 1 || period > WIDEST || used < 1 || used > period)
        return fail("period must be 1 to 64, and used 1 to period");
    if (values->len % (width * period))
        return fail("the values aren't whole periods");
    picked->src = values->buf, picked->n = (size_t)(values->len / (width * period));
    picked->period = (size_t)period, picked->used = (size_t)used;
    return 1;
}

PyDoc_STRVAR(count_doc, "count(values, counts, width, first, period, used)\n--\n\n"
"Add to counts[k], uint64, how often first + k is among elements of `width` bytes, 1 or 2: of each\n"
"`period` of them the first `used` count. One byte has 256 counts from 0; words wrap at 2^16.");

static PyObject *count(PyObject *module, PyObject *arguments)
{
    Py_buffer values = {0}, counts = {0};
    Py_ssize_t width, period, used;
    unsigned short first;
    struct picked picked;
    int64_t outside = 0;
    PyObject *result = NULL;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "y*w*nHnn:count", &values, &counts, &width, &first, &period,
                          &used) ||
        !pick(&picked, &values, width, period, used))
        goto done;
    size_t size = (size_t)counts.len / sizeof(uint64_t);
    if (counts.len % sizeof(uint64_t) || !size || size > 65536 || (uintptr_t)counts.buf % 8 ||
        (width == 1 && (size != 256 || first))) {
        fail("counts are 256 aligned uint64 for bytes from 0, and 1 to 65536 for words");
        goto done;
    }
    Py_BEGIN_ALLOW_THREADS
    outside = width == 1 ? count_bytes(&picked, counts.buf)
                         : count_words(&picked, counts.buf, size, first);
    Py_END_ALLOW_THREADS
    if (outside)
        fail("a value has no count");
    else
        result = Py_NewRef(Py_None);
done:
    if (counts.obj)
        PyBuffer_Release(&counts);
    if (values.obj)
        PyBuffer_Release(&values);
    return result;
}

PyDoc_STRVAR(spread_doc, "spread(pixels, width, period, most)\n--\n\n"
"(largest, sum) of the spreads of pixels of `period` elements, 3 or 4, of `width` bytes: the\n"
"largest difference of two of the first three. Stops soon after one is larger than `most`.");

static PyObject *spread(PyObject *module, PyObject *arguments)
{
    Py_buffer pixels = {0};
    Py_ssize_t width, period;
    unsigned int most;
    struct picked picked;
    PyObject *result = NULL;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "y*nnI:spread", &pixels, &width, &period, &most))
        return NULL;
    if (period != 3 && period != 4) {
        fail("a pixel has 3 or 4 elements");
    } else if (pick(&picked, &pixels, width, period, 3)) {
        struct spread found;
        Py_BEGIN_ALLOW_THREADS
        found = width == 1 ? spread_bytes(&picked, most) : spread_words(&picked, most);
        Py_END_ALLOW_THREADS
        result = Py_BuildValue("IK", found.largest, (unsigned long long)found.sum);
    }
    PyBuffer_Release(&pixels);
    return result;
}

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

static PyDataMem_Handler handler = {
    "graytorgb", 1, {NULL, memory_malloc, memory_calloc, memory_realloc, memory_free}};
static PyObject *handler_capsule;

PyDoc_STRVAR(empty_doc, "empty(shape, dtype)\n--\n\n"
"(numpy.empty(shape, dtype), whether its pages are there already), in memory that is kept for\n"
"the next array when this one dies.");

static PyObject *empty(PyObject *module, PyObject *arguments)
{
    PyObject *shape;
    PyArray_Descr *dtype = NULL;
    npy_intp sizes[NPY_MAXDIMS];
    (void)module;
    if (!PyArg_ParseTuple(arguments, "O!O&:empty", &PyTuple_Type, &shape, PyArray_DescrConverter,
                          &dtype))
        return NULL;
    Py_ssize_t ndim = PyTuple_Size(shape);
    if (ndim > NPY_MAXDIMS) {
        Py_DECREF(dtype);
        PyErr_SetString(PyExc_ValueError, "too many axes");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < ndim; i++) {
        sizes[i] = PyLong_AsSsize_t(PyTuple_GetItem(shape, i));
        if (sizes[i] == -1 && PyErr_Occurred()) {
            Py_DECREF(dtype);
            return NULL;
        }
    }
    PyObject *before = PyDataMem_SetHandler(handler_capsule);
    if (!before) {
        Py_DECREF(dtype);
        return NULL;
    }
    size_t hits = memory_info.hits;
    PyObject *array = PyArray_Empty((int)ndim, sizes, dtype, 0); /* takes the dtype's reference */
    PyObject *ours = PyDataMem_SetHandler(before);
    Py_DECREF(before);
    Py_XDECREF(ours);
    return array ? Py_BuildValue("NN", array, PyBool_FromLong(memory_info.hits > hits)) : NULL;
}

PyDoc_STRVAR(cache_info_doc, "cache_info()\n--\n\n"
"(limit, kept bytes, kept blocks, lent bytes, hits, misses)");

static PyObject *cache_info(PyObject *module, PyObject *arguments)
{
    const struct memory_info *info = &memory_info;
    (void)module, (void)arguments;
    return Py_BuildValue("nnnnnn", (Py_ssize_t)info->limit, (Py_ssize_t)info->kept_bytes,
                         (Py_ssize_t)info->blocks, (Py_ssize_t)info->lent_bytes,
                         (Py_ssize_t)info->hits, (Py_ssize_t)info->misses);
}

PyDoc_STRVAR(set_cache_limit_doc, "set_cache_limit(limit)\n--\n\n"
"Keep at most `limit` bytes, and give back what is over it.");

static PyObject *set_cache_limit(PyObject *module, PyObject *limit)
{
    Py_ssize_t bytes = PyLong_AsSsize_t(limit);
    (void)module;
    if (bytes < 0) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "the limit is a number of bytes, 0 or more");
        return NULL;
    }
    memory_set_limit((size_t)bytes);
    return Py_NewRef(Py_None);
}

static PyMethodDef methods[] = {
    {"expand", expand, METH_VARARGS, expand_doc},
    {"normalize", normalize, METH_VARARGS, normalize_doc},
    {"count", count, METH_VARARGS, count_doc},
    {"spread", spread, METH_VARARGS, spread_doc},
    {"resize", resize, METH_VARARGS, resize_doc},
    {"write", write_all, METH_VARARGS, write_doc},
    {"empty", empty, METH_VARARGS, empty_doc},
    {"cache_info", cache_info, METH_NOARGS, cache_info_doc},
    {"set_cache_limit", set_cache_limit, METH_O, set_cache_limit_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "graytorgb._kernels", "The compiled kernels; see graytorgb/_native.", -1,
    methods, NULL, NULL, NULL, NULL};

/* The names of the levels that this processor can run, the best one last. */
static PyObject *usable_levels(void)
{
    PyObject *names = PyList_New(0), *tuple = NULL;
    int count = 0, best = 0;
    for (; names && levels[count]; count++) {
        if (!levels[count]->usable())
            continue;
        best = count;
        PyObject *name = PyUnicode_FromString(levels[count]->name);
        if (!name || PyList_Append(names, name) < 0)
            Py_CLEAR(names);
        Py_XDECREF(name);
    }
    level_count = count, best_level = best; /* at once: other threads may use the module already */
    if (names)
        tuple = PyList_AsTuple(names);
    Py_XDECREF(names);
    return tuple;
}

/* From how many bytes of result streaming is faster: where the last cache ends, or at 32 MiB,
 * which a server's cache, shared by many, holds in name only. */
static long stream_from(void)
{
    const long most = 32 << 20;
#ifdef _SC_LEVEL3_CACHE_SIZE
    long last = sysconf(_SC_LEVEL3_CACHE_SIZE);
    return last > 0 && last < most ? last : most;
#else
    return most;
#endif
}

PyMODINIT_FUNC PyInit__kernels(void)
{
    import_array();
    handler_capsule = PyCapsule_New(&handler, "mem_handler", NULL);
    PyObject *module = handler_capsule ? PyModule_Create(&definition) : NULL;
    PyObject *names = module ? usable_levels() : NULL;
    if (!names || PyModule_AddObjectRef(module, "levels", names) < 0 ||
        PyModule_AddStringConstant(module, "__version__", levels[best_level]->name) < 0 ||
        PyModule_AddIntConstant(module, "most_threads", MOST_THREADS) < 0 ||
        PyModule_AddIntConstant(module, "stream_from", stream_from()) < 0)
        Py_CLEAR(module);
    Py_XDECREF(names);
    return module;
}
