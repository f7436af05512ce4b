/* What the kernel reports about the measured process. Without one (pid 0), everything is 0. */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

/* Starts a command whose standard output goes to standard error, and which the kernel kills when this process ends. */
pid_t start_process(char **command);

int64_t now_ns(void);                /* of a clock that only goes forward */
int64_t processor_time_ns(pid_t pid); /* user and system, all threads */
long resident_kb(pid_t pid);
long peak_kb(pid_t pid);
int descriptors(pid_t pid);

#endif
