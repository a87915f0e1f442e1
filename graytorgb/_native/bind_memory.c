/* The functions of the Python module that give arrays their memory, and the cache of it. */
#include "bindings.h"

#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#include <numpy/arrayobject.h>

#include "memory.h"

static PyDataMem_Handler handler = {
    "graytorgb", 1, {NULL, memory_malloc, memory_calloc, memory_realloc, memory_free}};
static PyObject *handler_capsule;

/* A new array in memory of ours; takes the dtype's reference. NumPy's handler is a context variable,
 * so no other thread allocates by ours. */
static PyObject *new_array(int ndim, const npy_intp *sizes, PyArray_Descr *dtype)
{
    PyObject *before = PyDataMem_SetHandler(handler_capsule);
    if (!before) {
        Py_DECREF(dtype);
        return NULL;
    }
    PyObject *array = PyArray_Empty(ndim, sizes, dtype, 0);
    PyObject *ours = PyDataMem_SetHandler(before);
    Py_DECREF(before);
    if (!ours)
        Py_CLEAR(array);
    Py_XDECREF(ours);
    return array;
}

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
    PyObject *array = new_array((int)ndim, sizes, dtype);
    if (!array)
        return NULL;
    int is_reused = memory_is_reused(PyArray_DATA((PyArrayObject *)array));
    return Py_BuildValue("NN", array, PyBool_FromLong(is_reused));
}

PyDoc_STRVAR(cache_info_doc, "cache_info()\n--\n\n"
"(limit, kept bytes, kept blocks, lent bytes, hits, misses)");

static PyObject *cache_info(PyObject *module, PyObject *arguments)
{
    const struct memory_info info = memory_get_info();
    (void)module, (void)arguments;
    return Py_BuildValue("nnnnnn", (Py_ssize_t)info.limit, (Py_ssize_t)info.kept_bytes,
                         (Py_ssize_t)info.blocks, (Py_ssize_t)info.lent_bytes,
                         (Py_ssize_t)info.hits, (Py_ssize_t)info.misses);
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

PyMethodDef memory_methods[] = {
    {"empty", empty, METH_VARARGS, empty_doc},
    {"cache_info", cache_info, METH_NOARGS, cache_info_doc},
    {"set_cache_limit", set_cache_limit, METH_O, set_cache_limit_doc},
    {NULL, NULL, 0, NULL},
};

int start_memory(void)
{
    import_array1(-1);
    handler_capsule = PyCapsule_New(&handler, "mem_handler", NULL);
    if (!handler_capsule)
        return -1;
    if (memory_start() != 0) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}
