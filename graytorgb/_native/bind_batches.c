/* The functions of the Python module that make three channels: expand, normalize and write. */
#include "bindings.h"

#include <string.h>

#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#include <numpy/arrayobject.h>

#include "work.h"

/* Two buffers and the batch in them. */
struct batch {
    Py_buffer src, dst;
    struct work work;
    int threads;
};

/* The shuffles for the widths of numbers, 1, 2, 4 ... 32 bytes, at each level: to lay one out takes
 * longer than the work on a small image. They are complete before anything can be called. */
#define TABLED_LEVELS 4
#define TABLED_WIDTHS 6
static struct shuffle shuffles[TABLED_LEVELS][TABLED_WIDTHS];

int start_batches(void)
{
    import_array1(-1);
    for (int level = 0; level < TABLED_LEVELS && levels[level]; level++)
        for (int i = 0; i < TABLED_WIDTHS; i++)
            lay_out_shuffle(&shuffles[level][i], levels[level], (size_t)1 << i);
    return 0;
}

static void set_shuffle(struct work *work)
{
    for (int level = 0; level < TABLED_LEVELS && levels[level]; level++)
        for (int i = 0; i < TABLED_WIDTHS && levels[level] == work->level; i++)
            if ((size_t)1 << i == work->width) {
                work->shuffle = shuffles[level][i];
                return;
            }
    lay_out_shuffle(&work->shuffle, work->level, work->width);
}

/* The product of the sizes (before, after, ..., width); 0 if size_t can't hold it. */
static size_t bytes_of(size_t before, size_t after, size_t width)
{
    if (after && before > PY_SSIZE_T_MAX / 3 / after / width)
        return 0;
    return before * after * width;
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
        return fail("the source doesn't have before * after * width bytes");
    if (!written || (size_t)batch->dst.len != 3 * written)
        return fail("the result doesn't have 3 * before * after * width bytes");
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
            set_shuffle(&batch.work);
        do_without_gil(&batch);
        result = Py_NewRef(Py_None);
    }
    release(&batch);
    return result;
}

PyDoc_STRVAR(expand_alone_doc,
"expand_alone(gray, axis, out)\n--\n\n"
"Put three equal channels at `axis` into a C-contiguous array, by this thread alone: for a small\n"
"result. It is written to `out`, or to a new array where that is None, and returned.");

/* A thread that waits for the GIL gets it when it is given up, and may keep it for 5 ms: a result
 * of fewer bytes is made sooner than that pays. */
#define GIVES_UP_GIL (1 << 16)

/* Describes gray as the source of a batch, and its result: the sizes of that, in `sizes`. */
static int read_gray(struct batch *batch, PyArrayObject *gray, Py_ssize_t axis, npy_intp *sizes)
{
    const int ndim = PyArray_NDIM(gray);
    Py_ssize_t before = 1, after = 1;
    if (axis < 0 || axis > ndim)
        return fail("the array doesn't have that axis");
    if (!PyArray_IS_C_CONTIGUOUS(gray) || PyDataType_REFCHK(PyArray_DESCR(gray)))
        return fail("the source isn't C-contiguous, or holds objects");
    for (int i = 0; i < ndim; i++) {
        sizes[i + (i >= axis)] = PyArray_DIM(gray, i);
        *(i < axis ? &before : &after) *= PyArray_DIM(gray, i);
    }
    sizes[axis] = 3;
    batch->work.interleaved = axis == ndim;
    batch->work.before = batch->work.interleaved ? 1 : before;
    batch->work.after = batch->work.interleaved ? before : after;
    batch->src.buf = PyArray_DATA(gray), batch->src.len = PyArray_NBYTES(gray);
    return 1;
}

/* Whether an object is memory for a result of these sizes, in the dtype of gray. */
static int check_out(PyObject *object, PyArrayObject *gray, const npy_intp *sizes)
{
    PyArrayObject *out = (PyArrayObject *)object;
    const int ndim = PyArray_NDIM(gray) + 1;
    if (!PyArray_Check(object) || !PyArray_CHKFLAGS(out, NPY_ARRAY_CARRAY) || PyArray_NDIM(out) != ndim ||
        !PyArray_CompareLists(PyArray_DIMS(out), sizes, ndim) ||
        !PyArray_EquivTypes(PyArray_DESCR(out), PyArray_DESCR(gray)))
        return fail("out isn't a writable, C-contiguous array of the result's shape and dtype");
    return 1;
}

static PyObject *expand_alone(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    struct batch batch = {0};
    struct work *work = &batch.work;
    npy_intp sizes[NPY_MAXDIMS + 1];
    (void)module;
    if (count != 3 || !PyArray_Check(arguments[0])) {
        PyErr_SetString(PyExc_TypeError, "expand_alone takes an array, an axis, and out or None");
        return NULL;
    }
    PyArrayObject *gray = (PyArrayObject *)arguments[0];
    Py_ssize_t axis = PyLong_AsSsize_t(arguments[1]);
    if ((axis == -1 && PyErr_Occurred()) || !read_gray(&batch, gray, axis, sizes))
        return NULL;
    PyObject *out = NULL;
    if (arguments[2] == Py_None) {
        Py_INCREF((PyObject *)PyArray_DESCR(gray)); /* PyArray_Empty takes a reference */
        out = PyArray_Empty(PyArray_NDIM(gray) + 1, sizes, PyArray_DESCR(gray), 0);
    } else if (check_out(arguments[2], gray, sizes)) {
        out = Py_NewRef(arguments[2]);
    }
    if (!out)
        return NULL;
    const Py_ssize_t width = PyArray_ITEMSIZE(gray);
    batch.dst.buf = PyArray_DATA((PyArrayObject *)out);
    batch.dst.len = PyArray_NBYTES((PyArrayObject *)out);
    if (!check(&batch, work->before, work->after, width, width, -1)) {
        Py_DECREF(out);
        return NULL;
    }
    if (work->interleaved)
        set_shuffle(work);
    if (batch.dst.len < GIVES_UP_GIL)
        do_work(work, 1);
    else
        do_without_gil(&batch);
    return out;
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

PyMethodDef batch_methods[] = {
    {"expand", expand, METH_VARARGS, expand_doc},
    {"expand_alone", (PyCFunction)(void (*)(void))expand_alone, METH_FASTCALL, expand_alone_doc},
    {"normalize", normalize, METH_VARARGS, normalize_doc},
    {"write", write_all, METH_VARARGS, write_doc},
    {NULL, NULL, 0, NULL},
};
