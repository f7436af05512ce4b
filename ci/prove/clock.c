/* Shifts the clock of every program that asks the C library for the time; `ci.prove.enclosure` preloads it.
 *
 * libfaketime does more, and cannot be used here: it shares a semaphore with the programs that a program starts, which
 * fails as soon as one of them changes its user, as newuidmap and setpriv do. */
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static void shift(clockid_t clock, time_t *seconds)
{
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
        *seconds += SHIFT_SECONDS;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (!failed)
        shift(clock, &now->tv_sec);
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec precise;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &precise))
        return -1;
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *result)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result)
        *result = now.tv_sec;
    return now.tv_sec;
}

int timespec_get(struct timespec *now, int base)
{
    return base == TIME_UTC && !clock_gettime(CLOCK_REALTIME, now) ? base : 0;
}
