/* Preloaded, it moves the wall clock of a program and of all that it starts by CLOCK_SHIFT seconds.

   Nothing else is touched: how long a sleep, a lock or a timer takes does not depend on the wall
   clock in what runs here. Debian's faketime 0.9.10 intercepts those too: then time.sleep() of
   Python fails, waiting for the GIL fails now and then, and lock_timeout of PostgreSQL never
   fires, since its signal handler sees the real time. */

#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static time_t shift(void) {
    static time_t seconds;
    static int known;
    if (!known) {
        const char *given = getenv("CLOCK_SHIFT");
        seconds = given ? atoll(given) : 0;
        known = 1;
    }
    return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    int failed = (int)syscall(SYS_clock_gettime, clock, at);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        at->tv_sec += shift();
    return failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now))
        return -1;
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at)
        *at = now.tv_sec;
    return now.tv_sec;
}

int timespec_get(struct timespec *at, int base) {
    return base == TIME_UTC && !clock_gettime(CLOCK_REALTIME, at) ? base : 0;
}
