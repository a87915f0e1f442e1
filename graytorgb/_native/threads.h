/* What the pool needs of the system, by POSIX and by Windows: threads, locks, conditions, atomic
 * words and a clock. MSVC has no <stdatomic.h> in C11, so the atomics are GNU's or Interlocked*. */
#ifndef GRAYTORGB_THREADS_H
#define GRAYTORGB_THREADS_H

#include <stddef.h>
#include <stdint.h>

#define THREAD_STACK (256 << 10) /* a kernel needs some KB */

#ifdef _WIN32
#include <windows.h>

typedef volatile LONG atomic_word;
typedef volatile LONG64 atomic_number;
#define LOAD(word) ((uint32_t)InterlockedCompareExchange(word, 0, 0)) /* acquires */
#define STORE(word, value) ((void)InterlockedExchange(word, (LONG)(value))) /* releases */
#define EXCHANGE(word, value) ((uint32_t)InterlockedExchange(word, (LONG)(value)))
#define ADD(word, value) ((void)InterlockedExchangeAdd(word, (LONG)(value)))
#define TAKE_NUMBER(number) ((size_t)(InterlockedIncrement64(number) - 1))
#define STORE_NUMBER(number, value) ((void)InterlockedExchange64(number, (LONG64)(value)))
#define PAUSE() YieldProcessor()

/* Puts `next` in place of *expected; if another value is there, reads it into *expected. */
static inline int replace(atomic_word *word, uint32_t *expected, uint32_t next)
{
    LONG found = InterlockedCompareExchange(word, (LONG)next, (LONG)*expected);
    int replaced = found == (LONG)*expected;
    *expected = (uint32_t)found;
    return replaced;
}

typedef SRWLOCK lock_type;
typedef CONDITION_VARIABLE condition;
#define UNLOCKED SRWLOCK_INIT
#define NO_WAITERS CONDITION_VARIABLE_INIT
#define LOCK(lock) AcquireSRWLockExclusive(lock)
#define TRY_TO_LOCK(lock) TryAcquireSRWLockExclusive(lock)
#define UNLOCK(lock) ReleaseSRWLockExclusive(lock)
#define WAIT(condition, lock) SleepConditionVariableSRW(condition, lock, INFINITE, 0)
#define SIGNAL(condition) WakeConditionVariable(condition)
#define THREAD_RESULT DWORD WINAPI

/* Starts a thread that nothing waits for; whether there is one. */
static inline int start_thread(DWORD(WINAPI *run)(void *), void *argument)
{
    HANDLE thread = CreateThread(NULL, THREAD_STACK, run, argument, 0, NULL);
    return thread && CloseHandle(thread);
}

static inline int64_t nanoseconds(void)
{
    LARGE_INTEGER ticks, a_second;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&a_second);
    return (int64_t)((double)ticks.QuadPart * 1e9 / (double)a_second.QuadPart);
}

#define ON_FORK(reset) 0 /* Windows has none */

#else
#include <pthread.h>
#include <signal.h>
#include <time.h>

typedef uint32_t atomic_word;
typedef size_t atomic_number;
#define LOAD(word) __atomic_load_n(word, __ATOMIC_ACQUIRE)
#define STORE(word, value) __atomic_store_n(word, value, __ATOMIC_RELEASE)
#define EXCHANGE(word, value) __atomic_exchange_n(word, value, __ATOMIC_ACQ_REL)
#define ADD(word, value) (void)__atomic_fetch_add(word, value, __ATOMIC_RELAXED)
#define TAKE_NUMBER(number) __atomic_fetch_add(number, 1, __ATOMIC_RELAXED)
#define STORE_NUMBER(number, value) __atomic_store_n(number, value, __ATOMIC_RELAXED)
#if defined(__x86_64__) || defined(__i386__)
#define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define PAUSE() __asm__ volatile("isb" ::: "memory") /* `yield` does nothing on most */
#else
#define PAUSE() ((void)0)
#endif

/* Puts `next` in place of *expected; if another value is there, reads it into *expected. */
static inline int replace(atomic_word *word, uint32_t *expected, uint32_t next)
{
    return __atomic_compare_exchange_n(word, expected, next, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

typedef pthread_mutex_t lock_type;
typedef pthread_cond_t condition;
#define UNLOCKED PTHREAD_MUTEX_INITIALIZER
#define NO_WAITERS PTHREAD_COND_INITIALIZER
#define LOCK(lock) pthread_mutex_lock(lock)
#define TRY_TO_LOCK(lock) (pthread_mutex_trylock(lock) == 0)
#define UNLOCK(lock) pthread_mutex_unlock(lock)
#define WAIT(condition, lock) pthread_cond_wait(condition, lock)
#define SIGNAL(condition) pthread_cond_signal(condition)
#define THREAD_RESULT void *

/* Starts a thread that nothing waits for; whether there is one. It takes no signal, so that each
 * goes to a thread that Python knows; only faults end it, which faulthandler reports. */
static inline int start_thread(void *(*run)(void *), void *argument)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t blocked, before;
    if (pthread_attr_init(&attributes) != 0)
        return 0;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, THREAD_STACK);
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&blocked, faults[i]);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int started = pthread_create(&thread, &attributes, run, argument) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return started;
}

static inline int64_t nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

#define ON_FORK(reset) pthread_atfork(NULL, NULL, reset)

#endif
#endif
