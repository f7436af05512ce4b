#define _GNU_SOURCE
#include "events.h"

#include "http.h"
#include "process.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { NUMBER = 17 }; /* bytes at the beginning of each event that tell its number */

static const char DATE[] = "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n";
static const char ACCEPTED[] = "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n"
                               "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 16\r\n\r\n{\"status\":\"OK\"}\n";

tally seen = {.guard = PTHREAD_MUTEX_INITIALIZER};

static load given;
static size_t total;
static int64_t *sent_at;
static char *filler; /* of all events, behind their numbers */

int prepare_events(const load *what)
{
    given = *what;
    total = given.warmup + given.invokes;
    sent_at = calloc(total + 1, sizeof *sent_at);
    seen.latency = calloc(total + 1, sizeof *seen.latency);
    seen.samples = calloc(given.samples + 1, sizeof *seen.samples);
    filler = malloc(given.size);
    if (sent_at == NULL || seen.latency == NULL || seen.samples == NULL || filler == NULL)
        return 0;
    for (size_t i = 0; i < given.size; i++)
        filler[i] = (char)('a' + i % 23);
    filler[given.size - 1] = '"';
    return sem_init(&seen.over, 0, 0) == 0;
}

static sample take_sample(void)
{
    pid_t pid = seen.child;
    return (sample){now_ns(), processor_time_ns(pid), resident_kb(pid), descriptors(pid), seen.answered};
}

/* With the guard held: all was answered, and what answered it is not needed any more. */
static void finish(void)
{
    seen.end = take_sample();
    if (given.samples)
        seen.samples[seen.samples_taken++] = seen.end;
    seen.peak_kb = peak_kb(seen.child);
    seen.finished = 1;
    if (seen.child != 0)
        kill(seen.child, SIGKILL);
    sem_post(&seen.over);
}

/* The number of the next event. Comes back only when there is one. */
static size_t take_number(void)
{
    pthread_mutex_lock(&seen.guard);
    if (seen.first_next.wall == 0)
        seen.first_next = take_sample();
    while (seen.handed == total) {
        if (seen.answered == total && !seen.finished)
            finish();
        pthread_mutex_unlock(&seen.guard);
        for (;;)
            pause(); /* as the platform does when there is nothing to do */
    }
    if (seen.handed == given.warmup)
        seen.begin = take_sample();
    else if (seen.handed > given.warmup && seen.samples_taken + 1 < given.samples &&
             (seen.handed - given.warmup) % (given.invokes / given.samples) == 0)
        seen.samples[seen.samples_taken++] = take_sample(); /* the last one is taken at the end */
    size_t number = seen.handed++;
    if (++seen.in_flight > seen.most_in_flight)
        seen.most_in_flight = seen.in_flight;
    pthread_mutex_unlock(&seen.guard);
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
    return number < given.warmup ? SMALL : given.size;
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
                            {filler + given.size - (size - NUMBER), size - NUMBER}};
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
           memcmp(answer->body + NUMBER, filler + given.size - (size - NUMBER), size - NUMBER) == 0;
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
    int known = number < total && sent_at[number] != 0 && seen.latency[number] == 0;
    int is_error = strstr(answer->line, "/error ") != NULL;
    int right = known && strncmp(rest, "/response ", 10) == 0 && is_echo(number, answer);

    pthread_mutex_lock(&seen.guard);
    if (is_error && seen.errors++ == 0)
        report("an error", answer);
    else if (!is_error && !right && seen.wrong++ == 0)
        report("a wrong answer", answer);
    if (known) {
        seen.latency[number] = now - sent_at[number];
        seen.answered++;
        seen.in_flight--;
    }
    pthread_mutex_unlock(&seen.guard);
}

void serve(int fd)
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
