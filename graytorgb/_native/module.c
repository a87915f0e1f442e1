/* The Python module: its functions, which are in the files bind_*.c, and its constants. */
#include "bindings.h"

#ifndef _WIN32
#include <unistd.h>
#endif

#include "kernels.h"
#include "pool.h"

int level_count, best_level;

int fail(const char *message)
{
    PyErr_SetString(PyExc_ValueError, message);
    return 0;
}

int check_level(int level)
{
    if (level < -1 || level >= level_count)
        return fail("no such level");
    if (!levels[level < 0 ? 0 : level]->usable())
        return fail("this processor hasn't the instructions of that level");
    return 1;
}

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "graytorgb._kernels", "The compiled kernels; see graytorgb/_native.", -1,
    NULL, NULL, NULL, NULL, NULL};

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

static int add_functions(PyObject *module)
{
    PyMethodDef *const methods[] = {batch_methods, counting_methods, resize_methods, memory_methods};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (PyModule_AddFunctions(module, methods[i]) < 0)
            return -1;
    return 0;
}

PyMODINIT_FUNC PyInit__kernels(void)
{
    PyObject *module = start_memory() < 0 ? NULL : PyModule_Create(&definition);
    PyObject *names = module ? usable_levels() : NULL;
    if (!names || add_functions(module) < 0 || PyModule_AddObjectRef(module, "levels", names) < 0 ||
        PyModule_AddStringConstant(module, "__version__", levels[best_level]->name) < 0 ||
        PyModule_AddIntConstant(module, "most_threads", MOST_THREADS) < 0 ||
        PyModule_AddIntConstant(module, "stream_from", stream_from()) < 0)
        Py_CLEAR(module);
    Py_XDECREF(names);
    return module;
}
