/*
 * Stands between a process and the C library, and changes or records what the process does to
 * the files below one directory. `shim.rs` compiles it and says which variables it reads.
 *
 * All calls are made one at a time: the record is the order in which they took effect.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static const char *root;
static const char *ignored = "";
static const char *ignored_in;
static int trace = -1;
static long fail_at;
static int fail_with;
static long calls;

__attribute__((constructor)) static void start(void) {
    const char *value;
    if ((value = getenv("HOLDPOINT_SHIM_IGNORE"))) ignored = value;
    ignored_in = getenv("HOLDPOINT_SHIM_IGNORE_IN");
    if ((value = getenv("HOLDPOINT_SHIM_FAIL_AT"))) fail_at = atol(value);
    if ((value = getenv("HOLDPOINT_SHIM_FAIL_WITH")))
        fail_with = strcmp(value, "ENOSPC") ? EIO : ENOSPC;
    if ((value = getenv("HOLDPOINT_SHIM_TRACE")))
        trace = (int)syscall(SYS_openat, AT_FDCWD, value, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    root = getenv("HOLDPOINT_SHIM_ROOT");
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int is_below(const char *path) {
    return root && strncmp(path, root, strlen(root)) == 0;
}

/* Whether an open file is below the root; its path is put into `path` (PATH_MAX). */
static int is_ours(int fd, char *path) {
    char link[32];
    if (!root) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return is_below(path) && !strstr(path, " (deleted)");
}

static int is_ours_at(int dir, const char *name, char *path) {
    if (!root) return 0;
    if (name[0] == '/' || dir == AT_FDCWD) {
        snprintf(path, PATH_MAX, "%s", name);
        return is_below(path);
    }
    char parent[PATH_MAX];
    if (!is_ours(dir, parent)) return 0;
    return snprintf(path, PATH_MAX, "%s/%s", parent, name) < PATH_MAX;
}

static void put(const void *bytes, size_t length) {
    const char *at = bytes;
    while (length > 0) {
        ssize_t put = syscall(SYS_write, trace, at, length);
        if (put < 0) _exit(99);
        at += put;
        length -= (size_t)put;
    }
}

/* Adds a call that took effect to the record, whatever errno is. */
static void record(const char *call, size_t length, off_t offset, const char *path, const void *bytes) {
    if (trace < 0) return;
    int saved = errno;
    char line[2 * PATH_MAX + 100];
    int written = snprintf(line, sizeof line, "%s\t%zu\t%lld\t%s\n", call, length, (long long)offset, path);
    put(line, (size_t)written);
    if (bytes) put(bytes, length);
    errno = saved;
}

static int is_ignored(const char *call, const char *path) {
    if (ignored_in) {
        size_t longer = strlen(path), shorter = strlen(ignored_in);
        if (longer < shorter || strcmp(path + longer - shorter, ignored_in)) return 0;
    }
    const char *at = strstr(ignored, call);
    size_t length = strlen(call);
    return at && (at == ignored || at[-1] == ',') && (at[length] == 0 || at[length] == ',');
}

/* Counts a call; whether it is to fail. A full disk stays full for what needs space. */
static int fails(int needs_space) {
    calls++;
    if (!fail_at || calls < fail_at) return 0;
    if (fail_with == ENOSPC ? !needs_space : calls > fail_at) return 0;
    /* Whoever waits for the call shall be waiting already when it fails. */
    usleep(10000);
    errno = fail_with;
    return 1;
}

#define LOCK pthread_mutex_lock(&one_at_a_time)
#define UNLOCK pthread_mutex_unlock(&one_at_a_time)

static int opened(int fd, int was_there, int flags, const char *path) {
    if (fd >= 0 && !was_there) record("create", 0, 0, path, NULL);
    else if (fd >= 0 && (flags & O_TRUNC)) record("truncate", 0, 0, path, NULL);
    return fd;
}

#define OPEN_BODY(dir, name, call) \
    mode_t mode = 0; \
    if (flags & O_CREAT) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    } \
    char path[PATH_MAX]; \
    if (!(flags & (O_CREAT | O_TRUNC)) || !is_ours_at(dir, name, path)) return call; \
    LOCK; \
    int was_there = access(path, F_OK) == 0; \
    int fd = fails(!was_there) ? -1 : opened(call, was_there, flags, path); \
    UNLOCK; \
    return fd

int open(const char *name, int flags, ...) { REAL(open); OPEN_BODY(AT_FDCWD, name, real(name, flags, mode)); }
int open64(const char *name, int flags, ...) { REAL(open64); OPEN_BODY(AT_FDCWD, name, real(name, flags, mode)); }
int openat(int dir, const char *name, int flags, ...) { REAL(openat); OPEN_BODY(dir, name, real(dir, name, flags, mode)); }
int openat64(int dir, const char *name, int flags, ...) { REAL(openat64); OPEN_BODY(dir, name, real(dir, name, flags, mode)); }

static off_t position(int fd) {
    struct stat now;
    if (fcntl(fd, F_GETFL) & O_APPEND) return fstat(fd, &now) ? 0 : now.st_size;
    return lseek(fd, 0, SEEK_CUR);
}

#define WRITE_BODY(offset_now, call) \
    char path[PATH_MAX]; \
    if (!is_ours(fd, path)) return call; \
    LOCK; \
    off_t at = offset_now; \
    ssize_t written = fails(1) ? -1 : call; \
    if (written > 0) record("write", (size_t)written, at, path, bytes); \
    UNLOCK; \
    return written

ssize_t write(int fd, const void *bytes, size_t length) {
    REAL(write);
    if (fd == STDOUT_FILENO && trace >= 0) {
        /* What the process says, in its place among the calls. */
        LOCK;
        record("say", length, 0, "", bytes);
        UNLOCK;
    }
    WRITE_BODY(position(fd), real(fd, bytes, length));
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    REAL(pwrite);
    WRITE_BODY(offset, real(fd, bytes, length, offset));
}
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    REAL(pwrite64);
    WRITE_BODY(offset, real(fd, bytes, length, offset));
}

#define TRUNCATE_BODY(call) \
    char path[PATH_MAX]; \
    if (!is_ours(fd, path)) return call; \
    LOCK; \
    int done = fails(1) ? -1 : call; \
    if (done == 0) record("truncate", 0, length, path, NULL); \
    UNLOCK; \
    return done

int ftruncate(int fd, off_t length) { REAL(ftruncate); TRUNCATE_BODY(real(fd, length)); }
int ftruncate64(int fd, off64_t length) { REAL(ftruncate64); TRUNCATE_BODY(real(fd, length)); }

#define SYNC_BODY(name, recorded, call) \
    char path[PATH_MAX]; \
    if (!is_ours(fd, path)) return call; \
    LOCK; \
    int done = fails(0) ? -1 : is_ignored(name, path) ? 0 : call; \
    if (done == 0) record(recorded, 0, 0, path, NULL); \
    UNLOCK; \
    return done

int fsync(int fd) { REAL(fsync); SYNC_BODY("fsync", "sync", real(fd)); }
int fdatasync(int fd) { REAL(fdatasync); SYNC_BODY("fdatasync", "sync", real(fd)); }
/* Promises nothing, so it is recorded as a call that changes nothing. */
int sync_file_range(int fd, off64_t offset, off64_t length, unsigned int flags) {
    REAL(sync_file_range);
    SYNC_BODY("sync_file_range", "hint", real(fd, offset, length, flags));
}

#define NAME_BODY(dir, name, needs_space, recorded, call) \
    char path[PATH_MAX]; \
    if (!is_ours_at(dir, name, path)) return call; \
    LOCK; \
    int done = fails(needs_space) ? -1 : call; \
    if (done == 0) record(recorded, 0, 0, path, NULL); \
    UNLOCK; \
    return done

int mkdir(const char *name, mode_t mode) { REAL(mkdir); NAME_BODY(AT_FDCWD, name, 1, "mkdir", real(name, mode)); }
int unlink(const char *name) { REAL(unlink); NAME_BODY(AT_FDCWD, name, 0, "remove", real(name)); }
int rmdir(const char *name) { REAL(rmdir); NAME_BODY(AT_FDCWD, name, 0, "remove", real(name)); }
int unlinkat(int dir, const char *name, int flags) { REAL(unlinkat); NAME_BODY(dir, name, 0, "remove", real(dir, name, flags)); }

int rename(const char *from, const char *to) {
    REAL(rename);
    if (!is_below(from)) return real(from, to);
    LOCK;
    int done = fails(0) ? -1 : real(from, to);
    if (done == 0) {
        record("rename", 0, 0, from, NULL);
        record("to", 0, 0, to, NULL);
    }
    UNLOCK;
    return done;
}

/* Without these, files are copied by `write`, which is recorded. */
ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t length, unsigned int flags) {
    (void)in, (void)in_at, (void)out, (void)out_at, (void)length, (void)flags;
    errno = ENOSYS;
    return -1;
}
ssize_t sendfile64(int out, int in, off64_t *offset, size_t length) {
    (void)out, (void)in, (void)offset, (void)length;
    errno = ENOSYS;
    return -1;
}
