/* Makes the n-th call that changes a file under a directory fail, for tests that run with LD_PRELOAD.
 *
 *   failing_io(directory, first, count, error)   from now on calls number first to first + count - 1 fail with error;
 *                                                count < 0: all from the first on; first = 0: none, calls are counted
 *   failing_io_seen(), failing_io_failed()       how many calls there were since, and how many of them failed
 *
 * A call that fails has done nothing, but a failed fsync or fdatasync leaves what was written in the kernel's cache.
 * With EROFS opening for writing fails as well, as on a file system that was remounted.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char directory[4096];
static long first, count, seen, failed;
static int error;

void failing_io(const char *where, long from, long calls, int with)
{
    pthread_mutex_lock(&lock);
    strncpy(directory, where, sizeof directory - 1);
    first = from;
    count = calls;
    error = with;
    seen = failed = 0;
    pthread_mutex_unlock(&lock);
}

long failing_io_seen(void) { return seen; }
long failing_io_failed(void) { return failed; }

static int fails(void)
{
    int now;
    pthread_mutex_lock(&lock);
    seen++;
    now = first > 0 && seen >= first && (count < 0 || seen < first + count);
    failed += now;
    pthread_mutex_unlock(&lock);
    if (now)
        errno = error;
    return now;
}

static int under(const char *path)
{
    size_t length = strlen(directory);
    return length > 0 && strncmp(path, directory, length) == 0;
}

static int hit(int fd)
{
    char link[64], path[4096];
    ssize_t length;
    if (directory[0] == 0)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    /* the index of the log is memory that happens to have a name */
    if (length > 4 && strcmp(path + length - 4, "-shm") == 0)
        return 0;
    return under(path) && fails();
}

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) \
        real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    REAL(pwrite);
    return hit(fd) ? -1 : real(fd, data, size, at);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
    REAL(pwrite64);
    return hit(fd) ? -1 : real(fd, data, size, at);
}

int fsync(int fd)
{
    REAL(fsync);
    return hit(fd) ? -1 : real(fd);
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    return hit(fd) ? -1 : real(fd);
}

int ftruncate(int fd, off_t size)
{
    REAL(ftruncate);
    return hit(fd) ? -1 : real(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    REAL(ftruncate64);
    return hit(fd) ? -1 : real(fd, size);
}

static int refused(const char *path, int flags)
{
    if (error != EROFS || (flags & O_ACCMODE) == O_RDONLY || !under(path))
        return 0;
    if (!(first > 0 && seen >= first && (count < 0 || seen < first + count)))
        return 0;
    errno = EROFS;
    return 1;
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        mode_t mode = 0; \
        va_list rest; \
        REAL(name); \
        if (flags & (O_CREAT | O_TMPFILE)) { \
            va_start(rest, flags); \
            mode = va_arg(rest, mode_t); \
            va_end(rest); \
        } \
        return refused(path, flags) ? -1 : real(path, flags, mode); \
    }

OPEN(open)
OPEN(open64)
