/* Makes a disk out of this one whose every flush takes longer: LD_PRELOAD=slow_sync.so SLOW_SYNC_MS=10 PROGRAM.
 *
 * fsync(2) and fdatasync(2) do their work and then wait. One flush at a time, as a memory card does it.
 * cc -shared -fPIC -O2 -o slow_sync.so slow_sync.c
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

static pthread_mutex_t card = PTHREAD_MUTEX_INITIALIZER;
static struct timespec pause_each;
static int (*real_fsync)(int), (*real_fdatasync)(int);

__attribute__((constructor)) static void begin(void)
{
    const char *told = getenv("SLOW_SYNC_MS");
    long milliseconds = told ? strtol(told, NULL, 10) : 0;

    pause_each.tv_sec = milliseconds / 1000;
    pause_each.tv_nsec = milliseconds % 1000 * 1000000;
    real_fsync = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
}

static int slowly(int (*flush)(int), int file)
{
    struct timespec left;
    int result, error;

    pthread_mutex_lock(&card);
    result = flush(file);
    error = errno;
    left = pause_each;
    while (nanosleep(&left, &left) == -1 && errno == EINTR)
        ;
    pthread_mutex_unlock(&card);
    errno = error;
    return result;
}

int fsync(int file)
{
    return slowly(real_fsync, file);
}

int fdatasync(int file)
{
    return slowly(real_fdatasync, file);
}
