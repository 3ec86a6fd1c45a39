/*
 * Stands between a process and the C library (LD_PRELOAD): the wall clock is wrong by as many milliseconds as stand in
 * the file that ONECARD_WRONG_CLOCK names, and jumps when they change. What counts from the start of the machine is
 * right, as it is when somebody sets a real clock; so is the kernel's word on whether a daemon disciplines it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *wrong_by_ms;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("ONECARD_WRONG_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *mapped = mmap(NULL, sizeof *wrong_by_ms, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped != MAP_FAILED)
        wrong_by_ms = mapped;
}

static int64_t shift_s(void) { return wrong_by_ms ? *wrong_by_ms / 1000 : 0; }

int clock_gettime(clockid_t clock, struct timespec *now) {
    int answer = (int)syscall(SYS_clock_gettime, clock, now);
    if (answer == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += shift_s();
    return answer;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec fine;
    int answer = clock_gettime(CLOCK_REALTIME, &fine);
    now->tv_sec = fine.tv_sec;
    now->tv_usec = fine.tv_nsec / 1000;
    return answer;
}

time_t time(time_t *into) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (into)
        *into = now.tv_sec;
    return now.tv_sec;
}

int adjtimex(struct timex *timex) {
    int answer = (int)syscall(SYS_adjtimex, timex);
    timex->time.tv_sec += shift_s();
    return answer;
}
