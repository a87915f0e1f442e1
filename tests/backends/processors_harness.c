/* A worker that leaves a processor, while somebody changes which processors it may use: the change
 * has to last. The system's functions are replaced by ones that change the mask in the middle.
 * `processors_harness` says what is wrong, or nothing. */
#define _GNU_SOURCE 1
#include <sched.h>
#include <stdio.h>

static cpu_set_t mask, narrowed;
static int calls, changed_in; /* the calls so far, and the one after which the mask is changed */

static int get(pid_t thread, size_t size, cpu_set_t *found)
{
    (void)thread, (void)size;
    *found = mask;
    return 0;
}

static int set(pid_t thread, size_t size, const cpu_set_t *wanted)
{
    (void)thread, (void)size;
    mask = *wanted;
    if (++calls == changed_in)
        mask = narrowed;
    return 0;
}

#define sched_getaffinity get
#define sched_setaffinity set
#include "../../graytorgb/_native/processors.h"

static int failed;

/* Lets a thread that may use the processors below `processors` leave number 0. */
static void check(int processors, int changed, const char *what)
{
    cpu_set_t expected;
    CPU_ZERO(&expected);
    for (int i = 0; i < processors; i++)
        CPU_SET(i, &expected);
    mask = expected;
    calls = 0, changed_in = changed;
    leave_processor(0);
    if (!CPU_EQUAL(&mask, changed ? &narrowed : &expected))
        failed = 1, fprintf(stderr, "wrong: %s\n", what);
    if (processors > 1 && !calls)
        failed = 1, fprintf(stderr, "wrong: the thread stays\n");
}

int main(void)
{
    CPU_ZERO(&narrowed);
    CPU_SET(0, &narrowed);
    (void)current_processor();
    check(4, 0, "the processors aren't those of before");
    check(1, 0, "a thread with one processor leaves it");
    check(4, 1, "a change of the processors was undone");
    return failed;
}
