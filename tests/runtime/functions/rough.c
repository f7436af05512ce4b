/* Handlers that stream, sleep, hang, crash or exit. */
#define _POSIX_C_SOURCE 200809L
#include <faas.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PIECE (1 << 20)

static char large[8 * PIECE];

uint32_t faas_abi_version(void)
{
    return FAAS_ABI_VERSION;
}

static void wait_ms(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&time, &time) != 0)
        ;
}

void faas_shutdown(void)
{
    fputs("shut down\n", stderr);
    while (getenv("SHUTDOWN_HANGS") != NULL)
        wait_ms(1000);
}

/* Streams the payload byte by byte; the last byte is the return value. */
FAAS_EXPORT int32_t stream(const faas_request *request, faas_response *response)
{
    const char *payload = request->payload;
    size_t i;
    response->content_type = "application/vnd.awslambda.http-integration-response";
    for (i = 0; i + 1 < request->payload_len; i++)
        if (request->write(request->stream, payload + i, 1) != 0)
            return 1;
    if (request->payload_len != 0) {
        response->data = payload + i;
        response->len = 1;
    }
    return request->write(request->stream, NULL, 0);
}

FAAS_EXPORT int32_t stream_large(const faas_request *request, faas_response *response)
{
    int i;
    (void)response;
    for (i = 0; i < 32; i++) {
        memset(large, 'a' + i % 26, PIECE);
        if (request->write(request->stream, large, PIECE) != 0) {
            response->error_message = "nobody listens";
            return 1;
        }
    }
    return 0;
}

FAAS_EXPORT int32_t stream_then_fail(const faas_request *request, faas_response *response)
{
    if (request->payload_len != 0)
        request->write(request->stream, "piece", 5);
    if (request->payload_len == 3) {
        memset(large, 'm', PIECE);
        large[PIECE] = '\0';
        response->error_message = response->stack_trace = large;
        return 4;
    }
    response->error_type = request->payload_len == 2 ? "half\r\nX: 1" : "Function.Half";
    response->error_message = "half \"way\"";
    return 3;
}

FAAS_EXPORT int32_t stream_then_hang(const faas_request *request, faas_response *response)
{
    (void)response;
    request->write(request->stream, "piece", 5);
    for (;;)
        wait_ms(1000);
}

FAAS_EXPORT int32_t stream_bad_type(const faas_request *request, faas_response *response)
{
    response->content_type = "a\nb";
    return request->write(request->stream, "x", 1) == 0 ? 0 : 1;
}

/* Returns 8 MiB of its own memory. */
FAAS_EXPORT int32_t huge(const faas_request *request, faas_response *response)
{
    (void)request;
    memset(large, 'h', sizeof large);
    response->data = large;
    response->len = sizeof large;
    return 0;
}

FAAS_EXPORT int32_t nap(const faas_request *request, faas_response *response)
{
    wait_ms(200);
    response->data = request->payload;
    response->len = request->payload_len;
    return 0;
}

FAAS_EXPORT int32_t hang(const faas_request *request, faas_response *response)
{
    (void)request;
    (void)response;
    fputs("hanging\n", stderr);
    for (;;)
        wait_ms(1000);
}

FAAS_EXPORT int32_t crash(const faas_request *request, faas_response *response)
{
    (void)response;
    if (request->payload_len == 0)
        abort();
    *(volatile char *)request->payload_len = 1;
    return 0;
}

static int deeper(volatile const char *above)
{
    volatile char frame[4096];
    frame[0] = above[0];
    frame[4095] = above[4095];
    return frame[0] == 1 ? 0 : deeper(frame) + frame[0];
}

FAAS_EXPORT int32_t overflow(const faas_request *request, faas_response *response)
{
    (void)request;
    (void)response;
    return deeper(large);
}

/* Needs 1 MiB of stack during the call. */
FAAS_EXPORT int32_t deep(const faas_request *request, faas_response *response)
{
    volatile char frame[PIECE];
    size_t i;
    (void)request;
    for (i = 0; i < sizeof frame; i += 4096)
        frame[i] = (char)i;
    response->data = frame[4096] == 0 ? "deep" : "flat";
    response->len = 4;
    return 0;
}

FAAS_EXPORT int32_t leave(const faas_request *request, faas_response *response)
{
    (void)request;
    (void)response;
    exit(0);
}

/* Closes every descriptor that it did not open, as a bad daemon does. */
FAAS_EXPORT int32_t close_all(const faas_request *request, faas_response *response)
{
    int i;
    (void)request;
    (void)response;
    for (i = 3; i < 256; i++)
        close(i);
    return 0;
}

/* The event `close` closes the descriptors that are not its own. Then a file gets their numbers; its path is in DATA. */
FAAS_EXPORT int32_t close_and_open(const faas_request *request, faas_response *response)
{
    int i;
    response->data = "done";
    response->len = 4;
    if (request->payload_len != 5 || memcmp(request->payload, "close", 5) != 0)
        return 0;
    for (i = 3; i < 64; i++)
        close(i);
    for (i = 3; i < 16; i++)
        (void)!open(getenv("DATA"), O_RDWR);
    return 0;
}

FAAS_EXPORT int32_t talk(const faas_request *request, faas_response *response)
{
    (void)response;
    fwrite(request->payload, 1, request->payload_len, stdout);
    fflush(stdout);
    fputs(getenv("_LAMBDA_TELEMETRY_LOG_FD") == NULL ? "unset\n" : "set\n", stderr);
    return 9;
}

static faas_write late_write;
static void *late_stream;
static char late_result[] = "?";

static void *write_late(void *unused)
{
    wait_ms(200);
    late_result[0] = late_write(late_stream, "late", 4) == 0 ? 'S' : 'R'; /* sent, or refused */
    return unused;
}

/* Breaks the rule that `write` is not called after the return; the next response says what it returned. */
FAAS_EXPORT int32_t linger(const faas_request *request, faas_response *response)
{
    pthread_t thread;
    response->data = late_result;
    response->len = 1;
    if (late_write != NULL)
        return 0;
    late_write = request->write;
    late_stream = request->stream;
    return pthread_create(&thread, NULL, write_late, NULL);
}

/* The same, from the fourth call on. */
FAAS_EXPORT int32_t linger_when_warm(const faas_request *request, faas_response *response)
{
    static int calls = 0;
    if (++calls >= 4)
        return linger(request, response);
    response->data = late_result;
    response->len = 1;
    return 0;
}

/* Writes to standard output, by its number. */
FAAS_EXPORT int32_t shout(const faas_request *request, faas_response *response)
{
    (void)request;
    (void)response;
    return write(1, "GET /evil HTTP/1.1\r\n\r\n", 22) < 0;
}

/* Breaks the rule that a stream ends with its call: the second call writes to the stream of the first. */
FAAS_EXPORT int32_t write_to_ended(const faas_request *request, faas_response *response)
{
    static void *ended;
    static char result[1];

    result[0] = ended == NULL ? '-' : request->write(ended, "late", 4) == 0 ? 'S' : 'R'; /* sent, or refused */
    ended = request->stream;
    response->data = result;
    response->len = 1;
    return 0;
}

/* Returns the event; hangs for "1". */
FAAS_EXPORT int32_t hang_if_asked(const faas_request *request, faas_response *response)
{
    while (request->payload_len == 1 && ((const char *)request->payload)[0] == '1')
        wait_ms(1000);
    response->data = request->payload;
    response->len = request->payload_len;
    return 0;
}

/* Returns the event; fails in the middle of a stream if the event begins with "s". */
FAAS_EXPORT int32_t break_if_asked(const faas_request *request, faas_response *response)
{
    if (request->payload_len != 0 && ((const char *)request->payload)[0] == 's')
        return request->write(request->stream, "piece", 5) == 0 ? 3 : 4;
    response->data = request->payload;
    response->len = request->payload_len;
    return 0;
}

/* Writes an invalid piece: at NULL, or with the length -1. The event says which, and whether a valid one comes first. */
FAAS_EXPORT int32_t write_nothing(const faas_request *request, faas_response *response)
{
    const char *payload = request->payload;
    (void)response;
    if (payload[0] == '+' && request->write(request->stream, "piece", 5) != 0)
        return 1;
    if (payload[1] == 'N')
        return request->write(request->stream, NULL, 5) == 0 ? 0 : 2;
    return request->write(request->stream, large, (size_t)-1) == 0 ? 0 : 2;
}

static void release_aloud(faas_response *response)
{
    (void)response;
    fputs("released\n", stderr);
}

/* Returns the event, and says on standard error when its memory may be freed. */
FAAS_EXPORT int32_t echo_aloud(const faas_request *request, faas_response *response)
{
    response->data = request->payload;
    response->len = request->payload_len;
    response->release = release_aloud;
    return 0;
}

/* Returns the event; ends the process for "exit", fails for "fail", and has a content type of its own for "type". */
FAAS_EXPORT int32_t as_asked(const faas_request *request, faas_response *response)
{
    char asked = request->payload_len == 4 ? ((const char *)request->payload)[0] : ' ';
    if (asked == 'e')
        exit(0);
    if (asked == 'f')
        return 3;
    if (asked == 't')
        response->content_type = "text/plain";
    response->data = request->payload;
    response->len = request->payload_len;
    return 0;
}
