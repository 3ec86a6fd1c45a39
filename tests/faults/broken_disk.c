/*
 * Stands between a process and the C library (LD_PRELOAD) and counts the steps by which it changes what lies on the
 * disk below one directory: created, written, cut, renamed, removed, synced. Before a given step it kills the process;
 * syncs fail, lie or dawdle when told to, or no file may grow any more, as with a quota that is used up, or none may be
 * written, as when the kernel makes a file system read-only after an error. Between two steps nothing on the disk
 * changes, so these are all the moments at which a kill can differ.
 *
 * ONECARD_BROKEN_ROOT names the directory, ONECARD_BROKEN_CONTROL a file that holds `struct control`.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum fault { SOUND, FAILS, LIES, DAWDLES, QUOTA, READ_ONLY };

struct control {
    int64_t steps;      /* taken so far */
    int64_t die_at;     /* the step before which the process ends; 0: never */
    int64_t fault;      /* what syncs do, or that files do not grow or are not written */
    int64_t left;       /* how many of them; negative: all */
    int64_t met;        /* how many did */
};

static struct control *control;
static char root[PATH_MAX];
static size_t root_length;

__attribute__((constructor)) static void begin(void) {
    const char *directory = getenv("ONECARD_BROKEN_ROOT"), *path = getenv("ONECARD_BROKEN_CONTROL");
    if (!directory || !path)
        return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0)
        return;
    void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped == MAP_FAILED)
        return;
    root_length = (size_t)snprintf(root, sizeof root, "%s", directory);
    control = mapped;
}

static int below(const char *path) {
    return strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == 0);
}

static int ours(int fd) {
    char link[64], path[PATH_MAX];
    if (!control)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return below(path);
}

static int ours_at(int directory, const char *path) {
    if (!control)
        return 0;
    return path[0] == '/' ? below(path) : directory != AT_FDCWD && ours(directory);
}

/* Whether a change is refused. */
static int refused(int is_ours) {
    if (!is_ours || control->fault != READ_ONLY)
        return 0;
    __atomic_add_fetch(&control->met, 1, __ATOMIC_SEQ_CST);
    errno = EROFS;
    return 1;
}

static void step(int is_ours) {
    if (is_ours && __atomic_add_fetch(&control->steps, 1, __ATOMIC_SEQ_CST) == control->die_at)
        kill(getpid(), SIGKILL);
}

static int sync_with(long call, int fd) {
    if (ours(fd)) {
        step(1);
        if (FAILS <= control->fault && control->fault <= DAWDLES && control->left != 0) {
            if (control->left > 0)
                __atomic_sub_fetch(&control->left, 1, __ATOMIC_SEQ_CST);
            __atomic_add_fetch(&control->met, 1, __ATOMIC_SEQ_CST);
            if (control->fault == FAILS) {
                errno = EIO;
                return -1;
            }
            if (control->fault == LIES)
                return 0;
            nanosleep(&(struct timespec){0, 300000000}, NULL);
        }
    }
    return (int)syscall(call, fd);
}

int fsync(int fd) { return sync_with(SYS_fsync, fd); }
int fdatasync(int fd) { return sync_with(SYS_fdatasync, fd); }

static int beyond_quota(int fd, off64_t end) {
    struct stat now;
    if (!control || control->fault != QUOTA || !ours(fd) || fstat(fd, &now) || end <= now.st_size)
        return 0;
    __atomic_add_fetch(&control->met, 1, __ATOMIC_SEQ_CST);
    errno = EDQUOT;
    return 1;
}

int posix_fallocate64(int fd, off64_t offset, off64_t size) {
    step(ours(fd));
    if (refused(ours(fd)))
        return EROFS;
    if (beyond_quota(fd, offset + size))
        return EDQUOT;
    return syscall(SYS_fallocate, fd, 0, offset, size) ? errno : 0;
}
int posix_fallocate(int fd, off_t offset, off_t size) { return posix_fallocate64(fd, offset, size); }

ssize_t write(int fd, const void *data, size_t size) {
    step(ours(fd));
    if (refused(ours(fd)) || beyond_quota(fd, lseek(fd, 0, SEEK_CUR) + (off64_t)size))
        return -1;
    return syscall(SYS_write, fd, data, size);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    step(ours(fd));
    if (refused(ours(fd)) || beyond_quota(fd, offset + (off64_t)size))
        return -1;
    return syscall(SYS_pwrite64, fd, data, size, offset);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return pwrite64(fd, data, size, offset); }

int ftruncate64(int fd, off64_t size) {
    step(ours(fd));
    if (refused(ours(fd)))
        return -1;
    return (int)syscall(SYS_ftruncate, fd, size);
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

static int open_at(int directory, const char *path, int flags, va_list arguments) {
    int mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(arguments, int) : 0;
    if (flags & (O_CREAT | O_TRUNC)) {
        step(ours_at(directory, path));
        if (refused(ours_at(directory, path)))
            return -1;
    }
    return (int)syscall(SYS_openat, directory, path, flags, mode);
}

#define OPEN(name, parameters, directory)                \
    int name parameters {                                \
        va_list arguments;                               \
        va_start(arguments, flags);                      \
        int fd = open_at(directory, path, flags, arguments); \
        va_end(arguments);                               \
        return fd;                                       \
    }
OPEN(open, (const char *path, int flags, ...), AT_FDCWD)
OPEN(open64, (const char *path, int flags, ...), AT_FDCWD)
OPEN(openat, (int directory, const char *path, int flags, ...), directory)
OPEN(openat64, (int directory, const char *path, int flags, ...), directory)

int unlinkat(int directory, const char *path, int flags) {
    step(ours_at(directory, path));
    if (refused(ours_at(directory, path)))
        return -1;
    return (int)syscall(SYS_unlinkat, directory, path, flags);
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int directory, const char *path, mode_t mode) {
    step(ours_at(directory, path));
    if (refused(ours_at(directory, path)))
        return -1;
    return (int)syscall(SYS_mkdirat, directory, path, mode);
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int renameat(int from_directory, const char *from, int to_directory, const char *to) {
    step(ours_at(from_directory, from) || ours_at(to_directory, to));
    if (refused(ours_at(from_directory, from) || ours_at(to_directory, to)))
        return -1;
    return (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, 0);
}
int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }
