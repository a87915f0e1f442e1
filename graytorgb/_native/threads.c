#include "threads.h"

struct shared {
    void (*task)(void *, size_t);
    void *context;
    size_t count;
#ifdef _WIN32
    volatile long long next;
#else
    size_t next;
#endif
};

#ifdef _WIN32
#include <windows.h>
#define TAKE(next) (size_t)(InterlockedIncrement64(next) - 1)
#define ENTER DWORD WINAPI
typedef HANDLE thread;
#define START(thread, enter, shared) ((thread = CreateThread(NULL, 0, enter, shared, 0, NULL)) != 0)
#define JOIN(thread) (WaitForSingleObject(thread, INFINITE), CloseHandle(thread))
#else
#include <pthread.h>
#define TAKE(next) __atomic_fetch_add(next, 1, __ATOMIC_RELAXED)
#define ENTER void *
typedef pthread_t thread;
#define START(thread, enter, shared) (pthread_create(&thread, NULL, enter, shared) == 0)
#define JOIN(thread) pthread_join(thread, NULL)
#endif

static ENTER take_tasks(void *argument)
{
    struct shared *shared = argument;
    for (size_t i; (i = TAKE(&shared->next)) < shared->count;)
        shared->task(shared->context, i);
    return 0;
}

void share(void (*task)(void *, size_t), void *context, size_t count, int threads)
{
    struct shared shared = {task, context, count, 0};
    thread running[MOST_THREADS];
    int started = 0;
    while (started + 1 < threads && (size_t)started + 1 < count && started + 1 < MOST_THREADS &&
           START(running[started], take_tasks, &shared))
        started++;
    take_tasks(&shared);
    for (int i = 0; i < started; i++)
        JOIN(running[i]);
}
