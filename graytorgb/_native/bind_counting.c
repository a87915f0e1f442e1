/* The functions of the Python module that count values and measure colors: count and spread. */
#include "bindings.h"

#include "counting.h"
#include "work.h"

/* Sets the elements that count; 0 and an error if `values` doesn't hold whole periods of them. */
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

PyMethodDef counting_methods[] = {
    {"count", count, METH_VARARGS, count_doc},
    {"spread", spread, METH_VARARGS, spread_doc},
    {NULL, NULL, 0, NULL},
};
