/* What the files of the Python module share. Each checks the arguments of its functions, and no other
 * file checks them again. */
#ifndef GRAYTORGB_BINDINGS_H
#define GRAYTORGB_BINDINGS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

extern PyMethodDef batch_methods[], counting_methods[], resize_methods[], memory_methods[];

extern int level_count, best_level;

/* Sets a ValueError, and returns 0. */
int fail(const char *message);

/* Whether this processor runs a level: one of `levels`, or -1 for the best; an error is set if not. */
int check_level(int level);

/* Prepare what `memory_methods` and `batch_methods` need; -1 and an error if that fails. */
int start_memory(void);
int start_batches(void);

#endif
