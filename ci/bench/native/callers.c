/*
 * Calls an invoke API from several threads, each over its own connection, one event after the other.
 *
 *     callers --port N [--path PATH] [--connections N] [--invokes N] [--warmup N]
 *
 * Each event is a different JSON string of 100 bytes, and its answer must have the same bytes. The first ones,
 * --warmup of each connection, do not count. Prints one JSON object.
 *
 * Exit codes: 0 all answers are right; 1 a wrong answer, or none; 2 usage.
 */
#define _GNU_SOURCE
#include "http.h"
#include "process.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SIZE = 100, MOST = 1024 };

static struct {
    int port, connections, invokes, warmup;
    const char *path;
} option = {.connections = 1, .invokes = 1000, .path = "/2015-03-31/functions/function/invocations"};

static pthread_barrier_t warm;
static int64_t *latency;

static void require(int condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "callers: %s\n", what);
        exit(1);
    }
}

static int connect_to_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)option.port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    require(connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "nobody listens at the port");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void call(connection *to, int caller, int number)
{
    char event[SIZE + 1], head[512];
    snprintf(event, sizeof event, "\"%08x-%08x-%080x\"", (unsigned)caller, (unsigned)number, (unsigned)number);
    int len = snprintf(head, sizeof head,
                       "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                       "Content-Length: %d\r\n\r\n%s",
                       option.path, SIZE, event);
    request answer;
    require(send_all(to->fd, head, (size_t)len) && read_request(to, &answer), "the connection was closed");
    int is_right = strncmp(answer.line, "HTTP/1.1 200", 12) == 0 && answer.body_len == SIZE
                   && memcmp(answer.body, event, SIZE) == 0;
    require(is_right, "a wrong answer");
}

static void *run_caller(void *argument)
{
    int caller = (int)(intptr_t)argument;
    connection to = {.fd = connect_to_port()};
    for (int number = 0; number < option.warmup; number++)
        call(&to, caller, -1 - number);
    pthread_barrier_wait(&warm);
    for (int number = 0; number < option.invokes; number++) {
        int64_t begun = now_ns();
        call(&to, caller, number);
        latency[caller * option.invokes + number] = now_ns() - begun;
    }
    close(to.fd);
    return NULL;
}

static int ascending(const void *one, const void *other)
{
    int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;
    return (a > b) - (a < b);
}

static void read_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"port", required_argument, NULL, 'p'},    {"path", required_argument, NULL, 'a'},
        {"connections", required_argument, NULL, 'c'}, {"invokes", required_argument, NULL, 'i'},
        {"warmup", required_argument, NULL, 'w'},  {NULL, 0, NULL, 0},
    };
    for (int found; (found = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (found == 'a')
            option.path = optarg;
        else if (found == '?')
            exit(2);
        else
            *(found == 'p' ? &option.port : found == 'c' ? &option.connections : found == 'i' ? &option.invokes
                                                                                              : &option.warmup) = atoi(optarg);
    }
    if (option.port <= 0 || option.connections <= 0 || option.connections > MOST || option.invokes <= 0) {
        fputs("usage: callers --port N [--path PATH] [--connections N] [--invokes N] [--warmup N]\n", stderr);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    pthread_t threads[MOST];
    size_t all = (size_t)option.connections * (size_t)option.invokes;
    latency = calloc(all, sizeof *latency);
    require(latency != NULL, "out of memory");
    pthread_barrier_init(&warm, NULL, (unsigned)option.connections + 1);
    for (int caller = 0; caller < option.connections; caller++)
        require(pthread_create(&threads[caller], NULL, run_caller, (void *)(intptr_t)caller) == 0, "no thread");
    pthread_barrier_wait(&warm);
    int64_t begun = now_ns();
    for (int caller = 0; caller < option.connections; caller++)
        pthread_join(threads[caller], NULL);
    double wall_s = (double)(now_ns() - begun) / 1e9;
    qsort(latency, all, sizeof *latency, ascending);
    printf("{\"invokes\": %zu, \"wall_s\": %.6f, \"p50_us\": %.2f, \"p99_us\": %.2f}\n", all, wall_s,
           (double)latency[all / 2] / 1e3, (double)latency[all * 99 / 100] / 1e3);
    return 0;
}
