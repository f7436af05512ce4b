/*
 * A Runtime API that sends events as fast as a client asks for them, and measures the client.
 *
 *     server [--invokes N] [--warmup N] [--size BYTES] [--pollers N] [--samples N] [--pause MS] [--core N]
 *            [--timeout S] [--port N] [--http 1] [--until-exit] [-- COMMAND...]
 *
 * Starts COMMAND with AWS_LAMBDA_RUNTIME_API set, and ends it when it has answered all events. Without a COMMAND
 * it serves any client that connects to the port, and cannot measure processor time and memory. Each event is a
 * different JSON string, and its answer must have the same bytes. With --http 1, it is an HTTP request with that body,
 * and its answer an HTTP response with the same body and the status 200. The first ones, --warmup of them, have 100 bytes
 * and do not count. All others are sent --pause milliseconds after the request for them. Prints one JSON object. The
 * billed time of an event lasts until the request for the next one is there. --until-exit measures the COMMAND's start and
 * end without any server.
 *
 * Exit codes: 0 all answers are right; 1 a wrong answer or an error; 2 usage; 3 the COMMAND ended too early;
 * 4 timed out.
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

static void *accept_connections(void *listener)
{
    int one = 1;
    for (;;) {
        int fd = accept4(*(int *)listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        pthread_mutex_lock(&result.guard);
        result.connections++;
        pthread_mutex_unlock(&result.guard);
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
        if (pthread_create(&thread, NULL, accept_connections, &listener) != 0)
            fail("server: pthread_create");
    }
}

static int ascending(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static void print_times(const char *name, int64_t *measured)
{
    int64_t sum = 0;
    size_t count = wanted.invokes;
    qsort(measured, count, sizeof *measured, ascending);
    for (size_t i = 0; i < count; i++)
        sum += measured[i];
    printf(" \"%s\": {\"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, \"max\": %.3f, \"mean\": %.3f},\n",
           name, (double)measured[count / 2] / 1e3, (double)measured[count * 9 / 10] / 1e3,
           (double)measured[count * 99 / 100] / 1e3, (double)measured[count - 1] / 1e3,
           (double)sum / 1e3 / (double)count);
}

static void print_result(void)
{
    double count = wanted.invokes ? (double)wanted.invokes : 1.0;
    printf("{\"invokes\": %zu, \"size\": %zu, \"wrong\": %zu, \"errors\": %zu,\n", wanted.invokes, wanted.size, result.wrong,
           result.errors);
    printf(" \"connections\": %zu, \"most_in_flight\": %d,\n", result.connections, result.most_in_flight);
    printf(" \"start_wall_ms\": %.3f, \"start_processor_ms\": %.3f,\n", (double)(result.first_next.wall - started_at) / 1e6,
           (double)result.first_next.processor / 1e6);
    if (wanted.invokes) {
        print_times("latency_us", result.latency + wanted.warmup);
        print_times("billed_us", result.billed + wanted.warmup);
        printf(" \"wall_s\": %.6f, \"processor_us\": %.3f,\n", (double)(result.end.wall - result.begin.wall) / 1e9,
               (double)(result.end.processor - result.begin.processor) / 1e3 / count);
    }
    printf(" \"resident_kb\": {\"idle\": %ld, \"end\": %ld, \"peak\": %ld},\n", result.begin.resident_kb, result.end.resident_kb,
           result.peak_kb);
    printf(" \"descriptors\": {\"idle\": %d, \"end\": %d},\n \"samples\": [", result.begin.descriptors, result.end.descriptors);
    for (size_t i = 0; i < result.samples_taken; i++)
        printf("%s[%zu, %ld, %d]", i ? ", " : "", result.samples[i].answered - wanted.warmup, result.samples[i].resident_kb,
               result.samples[i].descriptors);
    printf("]}\n");
}

static void on_timeout(int number)
{
    static const char TEXT[] = "server: timed out\n";
    (void)number;
    if (write(STDERR_FILENO, TEXT, sizeof TEXT - 1) > 0 && result.child != 0)
        kill(result.child, SIGKILL);
    _exit(4);
}

static int measure_until_exit(char **command)
{
    int status;
    struct rusage usage;
    started_at = now_ns();
    result.child = start_process(command);
    if (wait4(result.child, &status, 0, &usage) != result.child || status != 0)
        return 3;
    double wall = (double)(now_ns() - started_at) / 1e6;
    printf("{\"start_wall_ms\": %.3f, \"start_processor_ms\": %.3f}\n", wall,
           (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3);
    return 0;
}

static void read_options(int argc, char **argv)
{
    static const struct option NAMES[] = {
        {"invokes", 1, NULL, 'i'}, {"warmup", 1, NULL, 'w'},  {"size", 1, NULL, 's'}, {"pollers", 1, NULL, 'p'},
        {"samples", 1, NULL, 'n'}, {"pause", 1, NULL, 'm'},   {"core", 1, NULL, 'c'}, {"port", 1, NULL, 'l'},
        {"timeout", 1, NULL, 't'}, {"until-exit", 0, NULL, 'u'}, {"http", 1, NULL, 'h'},
        {NULL, 0, NULL, 0}};
    for (int name; (name = getopt_long(argc, argv, "+", NAMES, NULL)) != -1;) {
        size_t value = optarg != NULL ? strtoul(optarg, NULL, 10) : 1;
        switch (name) {
        case 'i': wanted.invokes = value; break;
        case 'w': wanted.warmup = value; break;
        case 's': wanted.size = value; break;
        case 'p': option.pollers = (int)value; break;
        case 'n': wanted.samples = value; break;
        case 'm': wanted.pause = value; break;
        case 'c': option.core = (int)value; break;
        case 'l': option.port = (int)value; break;
        case 't': option.timeout = (int)value; break;
        case 'u': option.until_exit = 1; break;
        case 'h': wanted.http = value; break;
        default: exit(2);
        }
    }
    if (wanted.size < SMALL || wanted.samples > wanted.invokes || (option.until_exit && argv[optind] == NULL)) {
        fputs("server: wrong usage; --size is at least 100, --samples at most --invokes\n", stderr);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    if (option.core >= 0) {
        cpu_set_t cores;
        CPU_ZERO(&cores);
        CPU_SET(option.core, &cores);
        if (sched_setaffinity(0, sizeof cores, &cores) != 0)
            fail("server: sched_setaffinity");
    }
    signal(SIGALRM, on_timeout);
    alarm((unsigned)option.timeout);
    if (option.until_exit)
        return measure_until_exit(argv + optind);

    if (!prepare_events(&wanted))
        fail("server: prepare");
    listen_with_threads();
    started_at = now_ns();
    if (argv[optind] != NULL) {
        int status;
        pthread_mutex_lock(&result.guard); /* a client that asks for an event waits until its process is known */
        result.child = start_process(argv + optind);
        pthread_mutex_unlock(&result.guard);
        waitpid(result.child, &status, 0);
        pthread_mutex_lock(&result.guard); /* never unlocked: nothing may change any more */
        if (!result.finished) {
            fprintf(stderr, "server: the command ended with status 0x%x after %zu answers\n", status, result.answered);
            return 3;
        }
    } else {
        fprintf(stderr, "AWS_LAMBDA_RUNTIME_API=%s\n", getenv("AWS_LAMBDA_RUNTIME_API"));
        sem_wait(&result.done);
        pthread_mutex_lock(&result.guard);
    }
    print_result();
    return result.wrong || result.errors ? 1 : 0;
}
