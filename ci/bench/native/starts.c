/*
 * A Runtime API that measures the start of a client up to its first answers.
 *
 *     starts [--core N] [--events N] [--pause MS] [--timeout S] -- COMMAND...
 *
 * Starts COMMAND with AWS_LAMBDA_RUNTIME_API set, sends it events one after the other over its one connection, and ends
 * it when it has answered them and asks for another one. It waits --pause milliseconds before it sends an event that was
 * asked for. Each event is a different JSON string of 100 bytes, and its answer must have the same bytes. Prints one JSON
 * object. All times but the latencies begin before the COMMAND is started.
 *
 * Exit codes: 0 all answers are right; 1 a wrong answer or an error; 2 usage; 3 the COMMAND ended too early;
 * 4 timed out.
 */
#define _GNU_SOURCE
#include "http.h"
#include "process.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 100 };

static const char ACCEPTED[] = "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n"
                               "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 16\r\n\r\n{\"status\":\"OK\"}\n";
static struct {
    int core, events, pause_ms, timeout;
} option = {.core = -1, .events = 1, .timeout = 60};
static pid_t child;

static void fail(const char *what, int code)
{
    fprintf(stderr, "starts: %s\n", what);
    signal(SIGCHLD, SIG_DFL);
    if (child != 0)
        kill(child, SIGKILL);
    exit(code);
}

static void on_timeout(int number)
{
    static const char TEXT[] = "starts: timed out\n";
    (void)number;
    if (write(STDERR_FILENO, TEXT, sizeof TEXT - 1) > 0 && child != 0)
        kill(child, SIGKILL);
    _exit(4);
}

/* The child has ended by itself. */
static void on_end(int number)
{
    static const char TEXT[] = "starts: the command ended too early\n";
    (void)number;
    _exit(write(STDERR_FILENO, TEXT, sizeof TEXT - 1) > 0 ? 3 : 1);
}

/* Listens on a free port, which the child's environment names. */
static int listen_for_child(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, len) != 0 || listen(listener, 8) != 0)
        fail("cannot listen", 2);
    getsockname(listener, (struct sockaddr *)&address, &len);
    char text[32];
    snprintf(text, sizeof text, "127.0.0.1:%d", ntohs(address.sin_port));
    setenv("AWS_LAMBDA_RUNTIME_API", text, 1);
    return listener;
}

static void expect(connection *peer, request *got, const char *what)
{
    if (!read_request(peer, got))
        fail("the command closed its connection", 1);
    if (strstr(got->line, what) == NULL) {
        fprintf(stderr, "starts: expected %s, got %s\n", what, got->line);
        fail("a wrong request", 1);
    }
}

static void send_event(int fd, int number, const char *event)
{
    char message[1024];
    int len = snprintf(message, sizeof message,
                       "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                       "Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-%012x\r\n"
                       "Lambda-Runtime-Deadline-Ms: %" PRId64 "\r\n"
                       "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:012345678912:function:bench\r\n"
                       "Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c8%08x;Parent=9a9197af755a6419;Sampled=1\r\n"
                       "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: %d\r\n\r\n%s",
                       (unsigned)number, (int64_t)time(NULL) * 1000 + 300000, (unsigned)number, SIZE, event);
    if (!send_all(fd, message, (size_t)len))
        fail("the command closed its connection", 1);
}

static void serve(int fd, int64_t started_at)
{
    connection peer = {.fd = fd};
    request got;
    struct timespec pause_time = {option.pause_ms / 1000, option.pause_ms % 1000 * 1000000L};
    int64_t *latency = calloc((size_t)option.events, sizeof *latency), next_at = 0, answer_at = 0, processor = 0;
    if (latency == NULL)
        fail("out of memory", 2);
    for (int number = 0; number < option.events; number++) {
        char event[SIZE + 1], id[64];
        snprintf(event, sizeof event, "\"%098d\"", number);
        snprintf(id, sizeof id, "/8476a536-e9f4-11e8-9739-%012x/response ", (unsigned)number);
        expect(&peer, &got, "/invocation/next ");
        if (number == 0)
            next_at = now_ns();
        if (option.pause_ms > 0)
            nanosleep(&pause_time, NULL);
        int64_t sent_at = now_ns();
        send_event(fd, number, event);
        expect(&peer, &got, id);
        latency[number] = now_ns() - sent_at;
        if (number == 0) {
            answer_at = now_ns();
            processor = processor_time_ns(child);
        }
        if (got.body_len != SIZE || memcmp(got.body, event, SIZE) != 0)
            fail("a wrong answer", 1);
        if (!send_all(fd, ACCEPTED, sizeof ACCEPTED - 1))
            fail("the command closed its connection", 1);
    }
    expect(&peer, &got, "/invocation/next ");
    signal(SIGCHLD, SIG_DFL);
    kill(child, SIGKILL);
    printf("{\"next_ms\": %.3f, \"answer_ms\": %.3f, \"answer_processor_ms\": %.3f,\n \"latencies_us\": [",
           (double)(next_at - started_at) / 1e6, (double)(answer_at - started_at) / 1e6, (double)processor / 1e6);
    for (int number = 0; number < option.events; number++)
        printf("%s%.1f", number ? ", " : "", (double)latency[number] / 1e3);
    printf("]}\n");
}

static void read_options(int argc, char **argv)
{
    static const struct option NAMES[] = {{"core", 1, NULL, 'c'},    {"events", 1, NULL, 'e'}, {"pause", 1, NULL, 'p'},
                                          {"timeout", 1, NULL, 't'}, {NULL, 0, NULL, 0}};
    for (int name; (name = getopt_long(argc, argv, "+", NAMES, NULL)) != -1;) {
        int value = optarg != NULL ? atoi(optarg) : 0;
        switch (name) {
        case 'c': option.core = value; break;
        case 'e': option.events = value; break;
        case 'p': option.pause_ms = value; break;
        case 't': option.timeout = value; break;
        default: exit(2);
        }
    }
    if (argv[optind] == NULL || option.events < 1)
        fail("wrong usage; it takes a COMMAND, and --events is at least 1", 2);
}

int main(int argc, char **argv)
{
    int one = 1;
    read_options(argc, argv);
    if (option.core >= 0) {
        cpu_set_t cores;
        CPU_ZERO(&cores);
        CPU_SET(option.core, &cores);
        if (sched_setaffinity(0, sizeof cores, &cores) != 0)
            fail("sched_setaffinity", 2);
    }
    signal(SIGALRM, on_timeout);
    signal(SIGCHLD, on_end);
    alarm((unsigned)option.timeout);
    int listener = listen_for_child();
    int64_t started_at = now_ns();
    child = start_process(argv + optind);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        fail("accept", 1);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    serve(fd, started_at);
    return 0;
}
