/* The events: numbered, handed out, and taken back. One for each connection at a time, from any thread. */
#ifndef BENCH_EVENTS_H
#define BENCH_EVENTS_H

#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { SMALL = 100 }; /* bytes of an event of the warm-up, and the least of any */

typedef struct sample {
    int64_t wall, processor;
    long resident_kb;
    int descriptors;
    size_t answered;
} sample;

typedef struct load {
    size_t invokes, warmup, size, samples;
} load;

/* What was seen so far; the guard protects all of it. */
typedef struct tally {
    pthread_mutex_t guard;
    size_t handed, answered, wrong, errors, connections;
    int in_flight, most_in_flight, finished;
    sample first_next, begin, end, *samples;
    size_t samples_taken;
    long peak_kb;
    int64_t *latency; /* by number, of those that were answered */
    pid_t child;      /* the process that is measured; 0: none is known */
    sem_t over;       /* posted when all was answered and more is asked for */
} tally;

extern tally seen;

/* Takes the load, and room for what will be seen of it; returns 0 where there is no memory. */
int prepare_events(const load *what);

/* Serves one connection until its peer closes it. */
void serve(int fd);

#endif
