/* The events: numbered, sent, and compared with their answers. One per connection at a time, from any thread. */
#ifndef BENCH_EVENTS_H
#define BENCH_EVENTS_H

#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { SMALL = 100 }; /* bytes of an event of the warm-up, and the least size of all */

typedef struct sample {
    int64_t wall, processor;
    long resident_kb;
    int descriptors;
    size_t answered;
} sample;

typedef struct load {
    size_t invokes, warmup, size, samples, pause; /* the pause in milliseconds */
    size_t http; /* whether the events are HTTP requests, with the JSON string as their body */
} load;

/* What was measured so far; the guard protects all of it. */
typedef struct results {
    pthread_mutex_t guard;
    size_t sent, answered, wrong, errors, connections;
    int in_flight, most_in_flight, finished;
    sample first_next, begin, end, *samples;
    size_t samples_taken;
    long peak_kb;
    int64_t *latency; /* by number, of the events that were answered */
    int64_t *billed;  /* by number: the time from the event until the request for the next one */
    size_t last;      /* the number of the last event that was answered */
    pid_t child;      /* the measured process; 0: unknown */
    sem_t done;       /* posted when all events are answered and the client asks for another one */
} results;

extern results result;

/* Stores the load and allocates the results; returns 0 if there is not enough memory. */
int prepare_events(const load *what);

/* Serves one connection until its peer closes it. */
void serve(int fd);

#endif
