/* The Python module: its functions, which are in the files bind_*.c, and its constants. */
#include "bindings.h"

#include <limits.h>
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
        return fail("this processor doesn't have the instructions of that level");
    return 1;
}

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
    if (level_count != count) /* else other threads may use the module already */
        level_count = count, best_level = best;
    if (names)
        tuple = PyList_AsTuple(names);
    Py_XDECREF(names);
    return tuple;
}

/* From how many bytes of result streaming (stores that bypass the caches) is faster: from the size of
 * the last cache, and 32 MiB at most, because a server shares a larger one between many processes.
 * LONG_MAX for a level without such stores. */
static long stream_from(void)
{
    const long most = 32 << 20;
    if (!levels[best_level]->streams)
        return LONG_MAX;
#ifdef _SC_LEVEL3_CACHE_SIZE
    long last = sysconf(_SC_LEVEL3_CACHE_SIZE);
    return last > 0 && last < most ? last : most;
#else
    return most;
#endif
}

/* From how many bytes for each thread streaming is faster: on Intel's processors from the size of the
 * second-level cache, which each core has for itself. On a Xeon (Sapphire Rapids) a loop of calls whose
 * results have 2.4 to 19 MB takes as long by streaming as by plain stores. After another operation, which
 * has filled the caches, a call takes 0.4 to 0.9 of the time. It hasn't been measured on processors of
 * other makes, whose shared caches may be faster: there, `stream_from` alone decides. */
static long stream_from_a_thread(void)
{
    long size = 0;
#if defined(HAS_AVX) && defined(_SC_LEVEL3_CACHE_SIZE)
    if (levels[best_level]->streams && __builtin_cpu_is("intel"))
        size = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
    return size > 0 ? size : LONG_MAX;
}

static int add_functions(PyObject *module)
{
    PyMethodDef *const methods[] = {batch_methods, counting_methods, resize_methods, memory_methods};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (PyModule_AddFunctions(module, methods[i]) < 0)
            return -1;
    return 0;
}

/* Fills a module. What the files keep for the whole process is made for the first one alone; another
 * one follows if Python's entry of the module is removed and it is imported again. */
static int fill_module(PyObject *module)
{
    static int is_started;
    if (!is_started && (start_memory() < 0 || start_batches() < 0))
        return -1;
    is_started = 1;
    PyObject *names = usable_levels();
    int failed = !names || add_functions(module) < 0 ||
                 PyModule_AddObjectRef(module, "levels", names) < 0 ||
                 PyModule_AddStringConstant(module, "__version__", levels[best_level]->name) < 0 ||
                 PyModule_AddIntConstant(module, "most_threads", MOST_THREADS) < 0 ||
                 PyModule_AddIntConstant(module, "stream_from", stream_from()) < 0 ||
                 PyModule_AddIntConstant(module, "stream_from_a_thread", stream_from_a_thread()) < 0;
    Py_XDECREF(names);
    return failed ? -1 : 0;
}

/* The stable ABI of Python 3.11 has neither of the slots that depend on macros here. Nor has it a use
 * for them: without the GIL there is no such ABI. */
static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, fill_module},
#if defined(Py_mod_multiple_interpreters) /* NumPy and the cache of memory are the process's */
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
#if defined(Py_mod_gil)
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "graytorgb._kernels",
    .m_doc = "The compiled kernels; see graytorgb/_native.",
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__kernels(void)
{
    return PyModuleDef_Init(&definition);
}
