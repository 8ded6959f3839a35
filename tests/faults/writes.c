/* Writes down what a process writes: preloaded, it logs each write, truncation, sync, rename and
 * removal below the folder EG_TRACE_FOLDER into EG_TRACE_LOG, in order.
 * Record: op (1 byte), lengths of path, second path and data (4 bytes each), offset (8), then them.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;

static int watched(const char *path) {
    const char *folder = getenv("EG_TRACE_FOLDER");
    return folder && strncmp(path, folder, strlen(folder)) == 0 && !strstr(path, "-shm");
}

static int path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, PATH_MAX - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    return watched(path);
}

static void say(char op, const char *one, const char *two, const void *data, size_t n, int64_t at) {
    static __typeof__(&write) put;
    pthread_mutex_lock(&lock);
    if (!put) put = REAL(write);
    if (log_fd < 0) log_fd = open(getenv("EG_TRACE_LOG"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    uint32_t sizes[3] = {(uint32_t)strlen(one), (uint32_t)strlen(two), (uint32_t)n};
    size_t total = 1 + sizeof sizes + 8 + sizes[0] + sizes[1] + n;
    char *record = malloc(total), *p = record;
    *p++ = op;
    memcpy(p, sizes, sizeof sizes), p += sizeof sizes;
    memcpy(p, &at, 8), p += 8;
    memcpy(p, one, sizes[0]), p += sizes[0];
    memcpy(p, two, sizes[1]), p += sizes[1];
    if (n) memcpy(p, data, n);
    if (put(log_fd, record, total) != (ssize_t)total) abort();
    free(record);
    pthread_mutex_unlock(&lock);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) {
    ssize_t done = REAL(pwrite64)(fd, data, n, at);
    char path[PATH_MAX];
    if (done > 0 && path_of(fd, path)) say('W', path, "", data, (size_t)done, at);
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at) { return pwrite64(fd, data, n, at); }

ssize_t write(int fd, const void *data, size_t n) {
    char path[PATH_MAX];
    int ours = fd != log_fd && path_of(fd, path);
    int64_t at = ours ? lseek(fd, 0, SEEK_CUR) : 0;
    ssize_t done = REAL(write)(fd, data, n);
    if (ours && done > 0) say('W', path, "", data, (size_t)done, at);
    return done;
}

int ftruncate64(int fd, off64_t size) {
    int done = REAL(ftruncate64)(fd, size);
    char path[PATH_MAX];
    if (done == 0 && path_of(fd, path)) say('T', path, "", "", 0, size);
    return done;
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int fsync(int fd) {
    char path[PATH_MAX];
    int done = REAL(fsync)(fd);
    if (done == 0 && path_of(fd, path)) say('S', path, "", "", 0, 0);
    return done;
}

int fdatasync(int fd) {
    char path[PATH_MAX];
    int done = REAL(fdatasync)(fd);
    if (done == 0 && path_of(fd, path)) say('S', path, "", "", 0, 0);
    return done;
}

int rename(const char *from, const char *to) {
    int done = REAL(rename)(from, to);
    if (done == 0 && watched(from)) say('R', from, to, "", 0, 0);
    return done;
}

int renameat(int a, const char *from, int b, const char *to) {
    int done = REAL(renameat)(a, from, b, to);
    if (done == 0 && watched(from)) say('R', from, to, "", 0, 0);
    return done;
}

int unlink(const char *path) {
    int done = REAL(unlink)(path);
    if (done == 0 && watched(path)) say('U', path, "", "", 0, 0);
    return done;
}
