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

enum { NUMBER = 17 }; /* bytes at the beginning of each JSON string that hold its number */

/* What is around the JSON string where the event is an HTTP request, in payload format 2.0. */
static const char BEFORE_BODY[] =
    "{\"version\":\"2.0\",\"routeKey\":\"$default\",\"rawPath\":\"/echo\",\"rawQueryString\":\"name=Ada\",\"headers\":{"
    "\"accept\":\"*/*\",\"content-type\":\"text/plain\",\"host\":\"id.lambda-url.us-east-1.on.aws\","
    "\"user-agent\":\"curl/8.5.0\",\"x-forwarded-for\":\"192.0.2.1\",\"x-forwarded-port\":\"443\","
    "\"x-forwarded-proto\":\"https\"},\"queryStringParameters\":{\"name\":\"Ada\"},\"requestContext\":{"
    "\"accountId\":\"anonymous\",\"apiId\":\"id\",\"domainName\":\"id.lambda-url.us-east-1.on.aws\","
    "\"domainPrefix\":\"id\",\"http\":{\"method\":\"POST\",\"path\":\"/echo\",\"protocol\":\"HTTP/1.1\","
    "\"sourceIp\":\"192.0.2.1\",\"userAgent\":\"curl/8.5.0\"},\"requestId\":\"e1506fd5\",\"routeKey\":\"$default\","
    "\"stage\":\"$default\",\"time\":\"12/Mar/2026:19:03:58 +0000\",\"timeEpoch\":1773342238000},\"body\":";
static const char AFTER_BODY[] = ",\"isBase64Encoded\":false}";

results result = {.guard = PTHREAD_MUTEX_INITIALIZER};

static load given;
static size_t total;
static int64_t *sent_at;
static char *filler; /* of all events, after their numbers */

int prepare_events(const load *what)
{
    given = *what;
    total = given.warmup + given.invokes;
    sent_at = calloc(total + 1, sizeof *sent_at);
    result.latency = calloc(total + 1, sizeof *result.latency);
    result.billed = calloc(total + 1, sizeof *result.billed);
    result.last = total;
    result.samples = calloc(given.samples + 1, sizeof *result.samples);
    filler = malloc(given.size);
    if (sent_at == NULL || result.latency == NULL || result.billed == NULL || result.samples == NULL || filler == NULL)
        return 0;
    for (size_t i = 0; i < given.size; i++)
        filler[i] = (char)('a' + i % 23);
    filler[given.size - 1] = '"';
    return sem_init(&result.done, 0, 0) == 0;
}

static sample take_sample(void)
{
    pid_t pid = result.child;
    return (sample){now_ns(), processor_time_ns(pid), resident_kb(pid), descriptors(pid), result.answered};
}

/* With the guard held: all events are answered, and the process is not needed any more. */
static void finish(void)
{
    result.end = take_sample();
    if (given.samples)
        result.samples[result.samples_taken++] = result.end;
    result.peak_kb = peak_kb(result.child);
    result.finished = 1;
    if (result.child != 0)
        kill(result.child, SIGKILL);
    sem_post(&result.done);
}

/* The number of the next event, which was asked for at that time. Does not return if there is none. */
static size_t next_number(int64_t asked_at)
{
    pthread_mutex_lock(&result.guard);
    if (result.last != total)
        result.billed[result.last] = asked_at - sent_at[result.last];
    result.last = total;
    if (result.first_next.wall == 0)
        result.first_next = take_sample();
    while (result.sent == total) {
        if (result.answered == total && !result.finished)
            finish();
        pthread_mutex_unlock(&result.guard);
        for (;;)
            pause(); /* as Lambda does when there is no event */
    }
    if (result.sent == given.warmup)
        result.begin = take_sample();
    else if (result.sent > given.warmup && result.samples_taken + 1 < given.samples &&
             (result.sent - given.warmup) % (given.invokes / given.samples) == 0)
        result.samples[result.samples_taken++] = take_sample(); /* the last one is taken at the end */
    size_t number = result.sent++;
    if (++result.in_flight > result.most_in_flight)
        result.most_in_flight = result.in_flight;
    pthread_mutex_unlock(&result.guard);
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

static void pause_before(size_t number)
{
    struct timespec left = {(time_t)(given.pause / 1000), (long)(given.pause % 1000) * 1000000};
    if (given.pause == 0 || number < given.warmup)
        return;
    while (nanosleep(&left, &left) != 0)
        ;
}

/* The value of the header Date. It changes every second, as with any server. */
static const char *date(void)
{
    static _Thread_local char text[40];
    static _Thread_local time_t second;
    time_t now = time(NULL);
    struct tm parts;
    if (now != second && gmtime_r(&now, &parts) != NULL)
        strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    second = now;
    return text;
}

static int send_receipt(int fd)
{
    char text[256];
    int len = snprintf(text, sizeof text,
                       "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nDate: %s\r\n"
                       "Content-Length: 16\r\n\r\n{\"status\":\"OK\"}\n",
                       date());
    return send_all(fd, text, (size_t)len);
}

static int send_event(int fd, int64_t asked_at)
{
    char head[768], text[NUMBER];
    size_t number = next_number(asked_at), size = size_of(number);
    size_t before = given.http ? sizeof BEFORE_BODY - 1 : 0, after = given.http ? sizeof AFTER_BODY - 1 : 0;
    write_number(text, number);
    pause_before(number);
    int head_len = snprintf(
        head, sizeof head,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        "Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-%012zx\r\n"
        "Lambda-Runtime-Deadline-Ms: %" PRId64 "\r\n"
        "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:012345678912:function:bench\r\n"
        "Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c8%08zx;Parent=9a9197af755a6419;Sampled=1\r\n"
        "Date: %s\r\nContent-Length: %zu\r\n\r\n",
        number, (int64_t)time(NULL) * 1000 + 300000, number & 0xffffffff, date(), before + size + after);
    /* The end of the filler: its last byte closes the string. */
    struct iovec parts[] = {{head, (size_t)head_len},
                            {(void *)BEFORE_BODY, before},
                            {text, NUMBER},
                            {filler + given.size - (size - NUMBER), size - NUMBER},
                            {(void *)AFTER_BODY, after}};
    sent_at[number] = now_ns();
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 5};
    ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    for (int i = 0; i < 5 && sent >= 0; i++) {
        size_t gone = (size_t)sent < parts[i].iov_len ? (size_t)sent : parts[i].iov_len;
        sent -= (ssize_t)gone;
        if (!send_all(fd, (char *)parts[i].iov_base + gone, parts[i].iov_len - gone))
            return 0;
    }
    return sent >= 0;
}

/* The JSON string of the answer: all of it, or the body of an HTTP response with the status 200. NULL: there is none. */
static const char *answered_text(const request *answer, size_t size)
{
    static const char BODY[] = "\"body\":", STATUS[] = "\"statusCode\":200";
    if (!given.http)
        return answer->body_len == size ? answer->body : NULL;
    const char *body = memmem(answer->body, answer->body_len, BODY, sizeof BODY - 1);
    if (body == NULL || memmem(answer->body, answer->body_len, STATUS, sizeof STATUS - 1) == NULL)
        return NULL;
    body += sizeof BODY - 1;
    return (size_t)(answer->body + answer->body_len - body) >= size ? body : NULL;
}

static int is_echo(size_t number, const request *answer)
{
    char text[NUMBER];
    size_t size = size_of(number);
    const char *found = answered_text(answer, size);
    write_number(text, number);
    return found != NULL && memcmp(found, text, NUMBER) == 0 &&
           memcmp(found + NUMBER, filler + given.size - (size - NUMBER), size - NUMBER) == 0;
}

static void report(const char *what, const request *answer)
{
    fprintf(stderr, "server: %s: %s: %.*s\n", what, answer->line, answer->body_len < 300 ? (int)answer->body_len : 300,
            answer->body);
}

/* Records how long an answer took that came at that time, and whether it is right. */
static void record_answer(const request *answer, int64_t now)
{
    const char *id = strstr(answer->line, "8476a536-e9f4-11e8-9739-");
    char *rest = NULL;
    size_t number = id != NULL ? strtoul(id + 24, &rest, 16) : total;
    int known = number < total && sent_at[number] != 0 && result.latency[number] == 0;
    int is_error = strstr(answer->line, "/error ") != NULL;
    int right = known && strncmp(rest, "/response ", 10) == 0 && is_echo(number, answer);

    pthread_mutex_lock(&result.guard);
    if (is_error && result.errors++ == 0)
        report("an error", answer);
    else if (!is_error && !right && result.wrong++ == 0)
        report("a wrong answer", answer);
    if (known) {
        result.latency[number] = now - sent_at[number];
        result.answered++;
        result.in_flight--;
        result.last = number;
    }
    pthread_mutex_unlock(&result.guard);
}

void serve(int fd)
{
    connection peer = {.fd = fd};
    request got;
    while (read_request(&peer, &got)) {
        if (strstr(got.line, "/invocation/next ") != NULL) {
            if (!send_event(fd, peer.received_at))
                break;
        } else {
            record_answer(&got, peer.received_at);
            if (!send_receipt(fd))
                break;
        }
    }
    free(peer.buffer);
    close(fd);
}
