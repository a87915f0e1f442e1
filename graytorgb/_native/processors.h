/* Which processor a thread runs on, and moving it to another, on Linux; the file that includes this
 * defines _GNU_SOURCE. */
#ifndef GRAYTORGB_PROCESSORS_H
#define GRAYTORGB_PROCESSORS_H

#include <stdint.h>

#if defined(__linux__)
#include <sched.h>

static inline uint32_t current_processor(void) { return (uint32_t)sched_getcpu(); }

/* Moves this thread from a processor to another one that it may use, if there is one. If somebody
 * changes the thread's processors meanwhile, which the move gives time for, that change lasts. */
static inline void leave_processor(uint32_t processor)
{
    cpu_set_t all, others, now;
    if (sched_getaffinity(0, sizeof all, &all) != 0)
        return;
    others = all;
    CPU_CLR(processor, &others);
    if (!CPU_COUNT(&others) || sched_setaffinity(0, sizeof others, &others) != 0)
        return;
    if (sched_getaffinity(0, sizeof now, &now) == 0 && CPU_EQUAL(&now, &others))
        (void)sched_setaffinity(0, sizeof all, &all);
}
#else
static inline uint32_t current_processor(void) { return 0; }
static inline void leave_processor(uint32_t processor) { (void)processor; }
#endif

#endif
