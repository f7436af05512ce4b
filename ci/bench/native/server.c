/*
 * A Runtime API that hands out events as fast as they are asked for, and measures who takes them.
 *
 *     server [--invokes N] [--warmup N] [--size BYTES] [--pollers N] [--samples N] [--core N] [--timeout S]
 *            [--port N] [--until-exit] [-- COMMAND...]
 *
 * Starts COMMAND with AWS_LAMBDA_RUNTIME_API set, and ends it when it has answered all events; without a
 * COMMAND, whoever connects to the port is served, and nothing is known of its processor time and memory.
 * Each event is a JSON string of its own, which has to come back byte by byte. The first ones, --warmup of
 * them, have 100 bytes and do not count. Prints one JSON object. --until-exit measures the COMMAND's start and
 * end without any server.
 *
 * Exit codes: 0 all was answered rightly; 1 a wrong answer or an error; 2 usage; 3 the COMMAND ended too early;
 * 4 the time was over.
 */
#define _GNU_SOURCE
#include "events.h"
#include "process.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SPARE_THREADS = 4 };

static load wanted = {.invokes = 1000, .size = SMALL};
static struct {
    int pollers, core, timeout, port, until_exit;
} option = {.pollers = 1, .core = -1, .timeout = 120};
static int64_t started_at;

static void *work(void *listener)
{
    int one = 1;
    for (;;) {
        int fd = accept4(*(int *)listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        pthread_mutex_lock(&seen.guard);
        seen.connections++;
        pthread_mutex_unlock(&seen.guard);
        serve(fd);
    }
    return NULL;
}

static int fail(const char *what)
{
    perror(what);
    exit(2);
}

static void listen_with_threads(void)
{
    static int listener;
    int one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)option.port)};
    socklen_t len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, len) != 0 || listen(listener, 64) != 0)
        fail("server: listen");
    getsockname(listener, (struct sockaddr *)&address, &len);

    char text[32];
    snprintf(text, sizeof text, "127.0.0.1:%d", ntohs(address.sin_port));
    setenv("AWS_LAMBDA_RUNTIME_API", text, 1);
    for (int i = 0; i < option.pollers + SPARE_THREADS; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, work, &listener) != 0)
            fail("server: pthread_create");
    }
}

static int by_value(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static void print_latencies(void)
{
    int64_t *measured = seen.latency + wanted.warmup, sum = 0;
    size_t count = wanted.invokes;
    qsort(measured, count, sizeof *measured, by_value);
    for (size_t i = 0; i < count; i++)
        sum += measured[i];
    printf(" \"latency_us\": {\"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, \"max\": %.3f, \"mean\": %.3f},\n",
           (double)measured[count / 2] / 1e3, (double)measured[count * 9 / 10] / 1e3,
           (double)measured[count * 99 / 100] / 1e3, (double)measured[count - 1] / 1e3,
           (double)sum / 1e3 / (double)count);
}

static void print_result(void)
{
    double count = wanted.invokes ? (double)wanted.invokes : 1.0;
    printf("{\"invokes\": %zu, \"size\": %zu, \"wrong\": %zu, \"errors\": %zu,\n", wanted.invokes, wanted.size, seen.wrong,
           seen.errors);
    printf(" \"connections\": %zu, \"most_in_flight\": %d,\n", seen.connections, seen.most_in_flight);
    printf(" \"start_wall_ms\": %.3f, \"start_processor_ms\": %.3f,\n", (double)(seen.first_next.wall - started_at) / 1e6,
           (double)seen.first_next.processor / 1e6);
    if (wanted.invokes) {
        print_latencies();
        printf(" \"wall_s\": %.6f, \"processor_us\": %.3f,\n", (double)(seen.end.wall - seen.begin.wall) / 1e9,
               (double)(seen.end.processor - seen.begin.processor) / 1e3 / count);
    }
    printf(" \"resident_kb\": {\"idle\": %ld, \"end\": %ld, \"peak\": %ld},\n", seen.begin.resident_kb, seen.end.resident_kb,
           seen.peak_kb);
    printf(" \"descriptors\": {\"idle\": %d, \"end\": %d},\n \"samples\": [", seen.begin.descriptors, seen.end.descriptors);
    for (size_t i = 0; i < seen.samples_taken; i++)
        printf("%s[%zu, %ld, %d]", i ? ", " : "", seen.samples[i].answered - wanted.warmup, seen.samples[i].resident_kb,
               seen.samples[i].descriptors);
    printf("]}\n");
}

static void out_of_time(int number)
{
    static const char TEXT[] = "server: the time was over\n";
    (void)number;
    if (write(STDERR_FILENO, TEXT, sizeof TEXT - 1) > 0 && seen.child != 0)
        kill(seen.child, SIGKILL);
    _exit(4);
}

static int measure_until_exit(char **command)
{
    int status;
    struct rusage usage;
    started_at = now_ns();
    seen.child = start_process(command);
    if (wait4(seen.child, &status, 0, &usage) != seen.child || status != 0)
        return 3;
    double wall = (double)(now_ns() - started_at) / 1e6;
    printf("{\"start_wall_ms\": %.3f, \"start_processor_ms\": %.3f}\n", wall,
           (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3);
    return 0;
}

static void read_options(int count, char **words)
{
    static const struct option NAMES[] = {
        {"invokes", 1, NULL, 'i'}, {"warmup", 1, NULL, 'w'},  {"size", 1, NULL, 's'}, {"pollers", 1, NULL, 'p'},
        {"samples", 1, NULL, 'n'}, {"core", 1, NULL, 'c'},    {"port", 1, NULL, 'l'}, {"timeout", 1, NULL, 't'},
        {"until-exit", 0, NULL, 'u'}, {NULL, 0, NULL, 0}};
    for (int name; (name = getopt_long(count, words, "+", NAMES, NULL)) != -1;) {
        size_t value = optarg != NULL ? strtoul(optarg, NULL, 10) : 1;
        switch (name) {
        case 'i': wanted.invokes = value; break;
        case 'w': wanted.warmup = value; break;
        case 's': wanted.size = value; break;
        case 'p': option.pollers = (int)value; break;
        case 'n': wanted.samples = value; break;
        case 'c': option.core = (int)value; break;
        case 'l': option.port = (int)value; break;
        case 't': option.timeout = (int)value; break;
        case 'u': option.until_exit = 1; break;
        default: exit(2);
        }
    }
    if (wanted.size < SMALL || wanted.samples > wanted.invokes || (option.until_exit && words[optind] == NULL)) {
        fputs("server: wrong usage; --size is at least 100, --samples at most --invokes\n", stderr);
        exit(2);
    }
}

int main(int count, char **words)
{
    read_options(count, words);
    if (option.core >= 0) {
        cpu_set_t cores;
        CPU_ZERO(&cores);
        CPU_SET(option.core, &cores);
        if (sched_setaffinity(0, sizeof cores, &cores) != 0)
            fail("server: sched_setaffinity");
    }
    signal(SIGALRM, out_of_time);
    alarm((unsigned)option.timeout);
    if (option.until_exit)
        return measure_until_exit(words + optind);

    if (!prepare_events(&wanted))
        fail("server: prepare");
    listen_with_threads();
    started_at = now_ns();
    if (words[optind] != NULL) {
        int status;
        pthread_mutex_lock(&seen.guard); /* who asks for an event waits until it is known who it is */
        seen.child = start_process(words + optind);
        pthread_mutex_unlock(&seen.guard);
        waitpid(seen.child, &status, 0);
        pthread_mutex_lock(&seen.guard); /* for good: nothing changes any more */
        if (!seen.finished) {
            fprintf(stderr, "server: the command ended with status 0x%x after %zu answers\n", status, seen.answered);
            return 3;
        }
    } else {
        fprintf(stderr, "AWS_LAMBDA_RUNTIME_API=%s\n", getenv("AWS_LAMBDA_RUNTIME_API"));
        sem_wait(&seen.over);
        pthread_mutex_lock(&seen.guard);
    }
    print_result();
    return seen.wrong || seen.errors ? 1 : 0;
}
