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
#include "http.h"
#include "process.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SMALL = 100, NUMBER = 17, SPARE_THREADS = 4 };

static const char DATE[] = "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n";
static const char ACCEPTED[] = "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n"
                               "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 16\r\n\r\n{\"status\":\"OK\"}\n";

typedef struct sample {
    int64_t wall, processor;
    long resident_kb;
    int descriptors;
    size_t answered;
} sample;

static struct {
    size_t invokes, warmup, size;
    int pollers, core, timeout, port, until_exit;
    size_t samples;
} option = {.invokes = 1000, .size = SMALL, .pollers = 1, .core = -1, .timeout = 120};

/* The guard protects what follows it; `filler` is the payload behind its number. */
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static size_t total, handed, answered, wrong, errors, connections;
static int in_flight, most_in_flight, finished;
static int64_t *sent_at, *latency, started_at;
static sample first_next, begin, end, *samples;
static size_t samples_taken;
static long peak;
static char *filler;
static pid_t child;
static sem_t over;

static sample take_sample(void)
{
    return (sample){now_ns(), processor_time_ns(child), resident_kb(child), descriptors(child), answered};
}

/* With the guard held: all was answered, and what answered it is not needed any more. */
static void finish(void)
{
    end = take_sample();
    if (option.samples)
        samples[samples_taken++] = end;
    peak = peak_kb(child);
    finished = 1;
    if (child != 0)
        kill(child, SIGKILL);
    sem_post(&over);
}

/* The number of the next event. Comes back only when there is one. */
static size_t take_number(void)
{
    pthread_mutex_lock(&guard);
    if (first_next.wall == 0)
        first_next = take_sample();
    while (handed == total) {
        if (answered == total && !finished)
            finish();
        pthread_mutex_unlock(&guard);
        for (;;)
            pause(); /* as the platform does when there is nothing to do */
    }
    if (handed == option.warmup)
        begin = take_sample();
    else if (handed > option.warmup && samples_taken + 1 < option.samples &&
             (handed - option.warmup) % (option.invokes / option.samples) == 0)
        samples[samples_taken++] = take_sample(); /* the last one is taken at the end */
    size_t number = handed++;
    if (++in_flight > most_in_flight)
        most_in_flight = in_flight;
    pthread_mutex_unlock(&guard);
    return number;
}

static void write_number(char *into, size_t number)
{
    char text[NUMBER + 1];
    snprintf(text, sizeof text, "\"%016zx", number);
    memcpy(into, text, NUMBER);
}

static size_t size_of(size_t number)
{
    return number < option.warmup ? SMALL : option.size;
}

static int hand_out(int fd)
{
    char head[768], text[NUMBER];
    size_t number = take_number(), size = size_of(number);
    write_number(text, number);
    int head_len = snprintf(
        head, sizeof head,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        "Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-%012zx\r\n"
        "Lambda-Runtime-Deadline-Ms: %" PRId64 "\r\n"
        "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:012345678912:function:bench\r\n"
        "Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c8%08zx;Parent=9a9197af755a6419;Sampled=1\r\n"
        "%sContent-Length: %zu\r\n\r\n",
        number, (int64_t)time(NULL) * 1000 + 300000, number & 0xffffffff, DATE, size);
    /* The filler's end, as its last byte closes the string. */
    struct iovec parts[] = {{head, (size_t)head_len},
                            {text, NUMBER},
                            {filler + option.size - (size - NUMBER), size - NUMBER}};
    sent_at[number] = now_ns();
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
    ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    for (int i = 0; i < 3 && sent >= 0; i++) {
        size_t gone = (size_t)sent < parts[i].iov_len ? (size_t)sent : parts[i].iov_len;
        sent -= (ssize_t)gone;
        if (!send_all(fd, (char *)parts[i].iov_base + gone, parts[i].iov_len - gone))
            return 0;
    }
    return sent >= 0;
}

static int is_echo(size_t number, const request *answer)
{
    char text[NUMBER];
    size_t size = size_of(number);
    write_number(text, number);
    return answer->body_len == size && memcmp(answer->body, text, NUMBER) == 0 &&
           memcmp(answer->body + NUMBER, filler + option.size - (size - NUMBER), size - NUMBER) == 0;
}

static void report(const char *what, const request *answer)
{
    fprintf(stderr, "server: %s: %s: %.*s\n", what, answer->line, answer->body_len < 300 ? (int)answer->body_len : 300,
            answer->body);
}

/* An outcome has been read: notes how long it took, and whether it is right. */
static void settle(const request *answer)
{
    int64_t now = now_ns();
    const char *id = strstr(answer->line, "8476a536-e9f4-11e8-9739-");
    char *rest = NULL;
    size_t number = id != NULL ? strtoul(id + 24, &rest, 16) : total;
    int known = number < total && sent_at[number] != 0 && latency[number] == 0;
    int is_error = strstr(answer->line, "/error ") != NULL;
    int right = known && strncmp(rest, "/response ", 10) == 0 && is_echo(number, answer);

    pthread_mutex_lock(&guard);
    if (is_error && errors++ == 0)
        report("an error", answer);
    else if (!is_error && !right && wrong++ == 0)
        report("a wrong answer", answer);
    if (known) {
        latency[number] = now - sent_at[number];
        answered++;
        in_flight--;
    }
    pthread_mutex_unlock(&guard);
}

static void serve(int fd)
{
    connection peer = {.fd = fd};
    request got;
    while (read_request(&peer, &got)) {
        if (strstr(got.line, "/invocation/next ") != NULL) {
            if (!hand_out(fd))
                break;
        } else {
            settle(&got);
            if (!send_all(fd, ACCEPTED, sizeof ACCEPTED - 1))
                break;
        }
    }
    free(peer.buffer);
    close(fd);
}

static void *work(void *listener)
{
    int one = 1;
    for (;;) {
        int fd = accept4(*(int *)listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        pthread_mutex_lock(&guard);
        connections++;
        pthread_mutex_unlock(&guard);
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
    int64_t *measured = latency + option.warmup, sum = 0;
    size_t count = option.invokes;
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
    double count = option.invokes ? (double)option.invokes : 1.0;
    printf("{\"invokes\": %zu, \"size\": %zu, \"wrong\": %zu, \"errors\": %zu,\n", option.invokes, option.size, wrong,
           errors);
    printf(" \"connections\": %zu, \"most_in_flight\": %d,\n", connections, most_in_flight);
    printf(" \"start_wall_ms\": %.3f, \"start_processor_ms\": %.3f,\n", (double)(first_next.wall - started_at) / 1e6,
           (double)first_next.processor / 1e6);
    if (option.invokes) {
        print_latencies();
        printf(" \"wall_s\": %.6f, \"processor_us\": %.3f,\n", (double)(end.wall - begin.wall) / 1e9,
               (double)(end.processor - begin.processor) / 1e3 / count);
    }
    printf(" \"resident_kb\": {\"idle\": %ld, \"end\": %ld, \"peak\": %ld},\n", begin.resident_kb, end.resident_kb, peak);
    printf(" \"descriptors\": {\"idle\": %d, \"end\": %d},\n \"samples\": [", begin.descriptors, end.descriptors);
    for (size_t i = 0; i < samples_taken; i++)
        printf("%s[%zu, %ld, %d]", i ? ", " : "", samples[i].answered - option.warmup, samples[i].resident_kb,
               samples[i].descriptors);
    printf("]}\n");
}

static void out_of_time(int number)
{
    static const char TEXT[] = "server: the time was over\n";
    (void)number;
    if (write(STDERR_FILENO, TEXT, sizeof TEXT - 1) > 0 && child != 0)
        kill(child, SIGKILL);
    _exit(4);
}

static int measure_until_exit(char **command)
{
    int status;
    struct rusage usage;
    started_at = now_ns();
    child = start_process(command);
    if (wait4(child, &status, 0, &usage) != child || status != 0)
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
        case 'i': option.invokes = value; break;
        case 'w': option.warmup = value; break;
        case 's': option.size = value; break;
        case 'p': option.pollers = (int)value; break;
        case 'n': option.samples = value; break;
        case 'c': option.core = (int)value; break;
        case 'l': option.port = (int)value; break;
        case 't': option.timeout = (int)value; break;
        case 'u': option.until_exit = 1; break;
        default: exit(2);
        }
    }
    if (option.size < SMALL || option.samples > option.invokes || (option.until_exit && words[optind] == NULL)) {
        fputs("server: wrong usage; --size is at least 100, --samples at most --invokes\n", stderr);
        exit(2);
    }
}

static void prepare(void)
{
    total = option.warmup + option.invokes;
    sent_at = calloc(total + 1, sizeof *sent_at);
    latency = calloc(total + 1, sizeof *latency);
    samples = calloc(option.samples + 1, sizeof *samples);
    filler = malloc(option.size);
    if (sent_at == NULL || latency == NULL || samples == NULL || filler == NULL)
        fail("server: memory");
    for (size_t i = 0; i < option.size; i++)
        filler[i] = (char)('a' + i % 23);
    filler[option.size - 1] = '"';
    sem_init(&over, 0, 0);
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

    prepare();
    listen_with_threads();
    started_at = now_ns();
    if (words[optind] != NULL) {
        int status;
        child = start_process(words + optind);
        waitpid(child, &status, 0);
        if (!finished) {
            fprintf(stderr, "server: the command ended with status 0x%x after %zu answers\n", status, answered);
            return 3;
        }
    } else {
        fprintf(stderr, "AWS_LAMBDA_RUNTIME_API=%s\n", getenv("AWS_LAMBDA_RUNTIME_API"));
        sem_wait(&over);
    }
    print_result();
    return wrong || errors ? 1 : 0;
}
