/* Handlers for the emulator's tests, each with one behaviour. */
#define _GNU_SOURCE
#include <errno.h>
#include <faas.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef BUILD
#define BUILD "1"
#endif

static __thread char answer[65536]; /* of each poller its own */

uint32_t faas_abi_version(void)
{
    return FAAS_ABI_VERSION;
}

static void wait_ms(long ms)
{
    struct timespec left = {ms / 1000, (ms % 1000) * 1000000};
    while (nanosleep(&left, &left) == -1 && errno == EINTR)
        ;
}

/* INIT decides how the init ends. It also fails as long as the file named by INIT_FILE exists. */
int32_t faas_init(faas_response *response)
{
    const char *how = getenv("INIT"), *file = getenv("INIT_FILE");
    if (file != NULL && access(file, F_OK) == 0)
        how = "fails";
    if (how == NULL)
        return 0;
    if (strcmp(how, "fails") == 0) {
        response->error_type = "Function.NoDatabase";
        response->error_message = "the database is away";
        return 1;
    }
    if (strcmp(how, "exits") == 0)
        exit(9);
    if (strcmp(how, "hangs") == 0)
        wait_ms(60000);
    return 0;
}

/* SHUTDOWN=hangs: the shutdown does not end by itself. */
void faas_shutdown(void)
{
    const char *how = getenv("SHUTDOWN");
    if (how != NULL && strcmp(how, "hangs") == 0)
        wait_ms(600000);
}

static int32_t say(faas_response *response, const char *text)
{
    response->data = text;
    response->len = strlen(text);
    return 0;
}

static long number(const faas_request *request)
{
    char text[32] = "";
    size_t len = request->payload_len < sizeof text - 1 ? request->payload_len : sizeof text - 1;
    if (len > 0)
        memcpy(text, request->payload, len);
    return atol(text);
}

FAAS_EXPORT int32_t echo(const faas_request *request, faas_response *response)
{
    response->data = request->payload;
    response->len = request->payload_len;
    return 0;
}

/* Answers the variable RECITED. */
FAAS_EXPORT int32_t recite(const faas_request *request, faas_response *response)
{
    const char *text = getenv("RECITED");
    (void)request;
    return say(response, text ? text : "null");
}

FAAS_EXPORT int32_t build(const faas_request *request, faas_response *response)
{
    (void)request;
    return say(response, "\"" BUILD "\"");
}

FAAS_EXPORT int32_t context(const faas_request *request, faas_response *response)
{
    const char *client = request->client_context ? request->client_context : "null";
    const char *root = getenv("LAMBDA_TASK_ROOT");
    snprintf(answer, sizeof answer,
             "{\"id\":\"%s\",\"arn\":\"%s\",\"trace\":\"%s\",\"tenant\":\"%s\",\"client\":%s,\"name\":\"%s\","
             "\"version\":\"%s\",\"memory\":%u,\"group\":\"%s\",\"stream\":\"%s\",\"deadline\":%lld,\"extra\":\"%s\","
             "\"handler\":\"%s\",\"root\":\"%s\",\"listen\":\"%s\"}",
             request->request_id, request->function_arn, request->trace_id ? request->trace_id : "",
             request->tenant_id ? request->tenant_id : "", client, request->function_name, request->function_version,
             request->memory_limit_mb, request->log_group, request->log_stream, (long long)request->deadline_ms,
             getenv("EXTRA") ? getenv("EXTRA") : "", getenv("_HANDLER"), root ? root : "",
             getenv("FAAS_RUNTIME_LISTEN") ? getenv("FAAS_RUNTIME_LISTEN") : "");
    return say(response, answer);
}

FAAS_EXPORT int32_t fail(const faas_request *request, faas_response *response)
{
    (void)request;
    response->error_type = "Function.OutOfCoffee";
    response->error_message = "no coffee";
    return 1;
}

/* Waits for the number of milliseconds in the event, then returns the id of the process. */
FAAS_EXPORT int32_t nap(const faas_request *request, faas_response *response)
{
    wait_ms(number(request));
    snprintf(answer, sizeof answer, "%ld", (long)getpid());
    return say(response, answer);
}

/* Copies the text that begins behind `mark` in the event, up to the next character of `ends`, if it is there and fits. */
static void copy_between(const faas_request *request, const char *mark, const char *ends, char *text, size_t size)
{
    const char *event = (const char *)request->payload;
    size_t begin = 0, length = 0, marked = strlen(mark);
    while (begin + marked <= request->payload_len && memcmp(event + begin, mark, marked) != 0)
        begin++;
    begin += marked;
    while (begin + length < request->payload_len && strchr(ends, event[begin + length]) == NULL)
        length++;
    if (begin + length < request->payload_len && length < size)
        memcpy(text, event + begin, length);
}

/* The event is the path of a file, as a JSON string, or the event of an HTTP request for that path: waits until the file
   exists, then returns the id of the process. */
FAAS_EXPORT int32_t gate(const faas_request *request, faas_response *response)
{
    char path[4096] = "";
    const char *event = (const char *)request->payload;
    if (request->payload_len > 2)
        copy_between(request, event[0] == '{' ? "\"rawPath\":\"" : "\"", "\"", path, sizeof path - 1);
    while (path[0] != '\0' && access(path, F_OK) != 0)
        wait_ms(2);
    snprintf(answer, sizeof answer, "%ld", (long)getpid());
    return say(response, answer);
}

/* Fills the number of MiB in the event, then waits for a minute; exits if the number is below 0. */
FAAS_EXPORT int32_t hoard(const faas_request *request, faas_response *response)
{
    long size = number(request);
    char *data = malloc((size_t)labs(size) << 20);
    if (data == NULL)
        return 1;
    memset(data, 'x', (size_t)labs(size) << 20);
    if (size < 0)
        _exit(data[1] == 'x' ? 3 : 4);
    wait_ms(60000);
    return say(response, "\"late\"");
}

/* Event 0: returns the id of the process. Below 0: ends with this signal. Above 0: ends with this exit code. */
FAAS_EXPORT int32_t end(const faas_request *request, faas_response *response)
{
    long how = number(request);
    if (how > 0)
        _exit((int)how);
    if (how < 0) {
        signal((int)-how, SIG_DFL);
        raise((int)-how);
    }
    snprintf(answer, sizeof answer, "%ld", (long)getpid());
    return say(response, answer);
}

/* Starts a process that outlives the invocation, waits for the milliseconds in the event, returns the process's id. */
FAAS_EXPORT int32_t spawn(const faas_request *request, faas_response *response)
{
    pid_t child = fork();
    if (child == 0) {
        wait_ms(60000);
        _exit(0);
    }
    fprintf(stderr, "spawned %ld.\n", (long)child);
    wait_ms(number(request));
    snprintf(answer, sizeof answer, "%ld", (long)child);
    return say(response, answer);
}

static long release_ms;

static void release_late(faas_response *response)
{
    (void)response;
    wait_ms(release_ms);
}

/* Returns the id of the process. The next invocation is requested after the milliseconds in the event only. */
FAAS_EXPORT int32_t linger(const faas_request *request, faas_response *response)
{
    release_ms = number(request);
    response->release = release_late;
    snprintf(answer, sizeof answer, "%ld", (long)getpid());
    return say(response, answer);
}

/* The same as `gate`; the next invocation is requested a little later. */
FAAS_EXPORT int32_t late_gate(const faas_request *request, faas_response *response)
{
    release_ms = 5;
    response->release = release_late;
    return gate(request, response);
}

/* Leaves an orphan, which ends a little later; returns the ids of the process and of the orphan. */
FAAS_EXPORT int32_t orphan(const faas_request *request, faas_response *response)
{
    int ends[2];
    pid_t left = 0;
    (void)request;
    if (pipe(ends) != 0)
        return 1;
    pid_t child = fork();
    if (child == 0) {
        left = fork();
        if (left == 0) {
            setsid();
            wait_ms(20);
            _exit(0);
        }
        _exit(write(ends[1], &left, sizeof left) != sizeof left);
    }
    waitpid(child, NULL, 0);
    if (read(ends[0], &left, sizeof left) != sizeof left)
        return 1;
    close(ends[0]);
    close(ends[1]);
    snprintf(answer, sizeof answer, "[%ld,%ld]", (long)getpid(), (long)left);
    return say(response, answer);
}

/* Leaves a daemon behind, in a session of its own and without the environment of this process; answers its id. If the
   event is 1, this process then crashes. */
FAAS_EXPORT int32_t daemonise(const faas_request *request, faas_response *response)
{
    int ends[2];
    pid_t left = 0;
    if (pipe(ends) != 0)
        return 1;
    pid_t child = fork();
    if (child == 0) {
        setsid();
        left = fork();
        if (left == 0) {
            char *arguments[] = {"sleep", "600", NULL}, *variables[] = {NULL};
            close(0);
            close(1);
            close(2);
            execve("/bin/sleep", arguments, variables);
            _exit(1);
        }
        _exit(write(ends[1], &left, sizeof left) != sizeof left);
    }
    waitpid(child, NULL, 0);
    if (read(ends[0], &left, sizeof left) != sizeof left)
        return 1;
    close(ends[0]);
    close(ends[1]);
    fprintf(stderr, "daemon %ld.\n", (long)left);
    if (number(request) == 1)
        _exit(3);
    snprintf(answer, sizeof answer, "%ld", (long)left);
    return say(response, answer);
}

FAAS_EXPORT int32_t talk(const faas_request *request, faas_response *response)
{
    fprintf(stdout, "out: %.*s\n", (int)request->payload_len, (const char *)request->payload);
    fflush(stdout);
    fprintf(stderr, "err: no end of line");
    return say(response, "\"talked\"");
}

/* Returns the number of bytes in the event. */
FAAS_EXPORT int32_t large(const faas_request *request, faas_response *response)
{
    static char *data;
    size_t size = (size_t)number(request);
    free(data);
    data = malloc(size + 1);
    memset(data, 'x', size);
    data[0] = data[size - 1] = '"';
    response->data = data;
    response->len = size;
    return 0;
}

/* Writes a piece, waits for a file if the event is its path (a JSON string), writes another piece. */
FAAS_EXPORT int32_t pieces(const faas_request *request, faas_response *response)
{
    size_t len = request->payload_len;
    response->content_type = "text/plain";
    request->write(request->stream, "one,", 4);
    if (len > 2 && len < 4000 && *(const char *)request->payload == '"') {
        memcpy(answer, (const char *)request->payload + 1, len - 2);
        answer[len - 2] = '\0';
        while (access(answer, F_OK) != 0)
            wait_ms(2);
    }
    request->write(request->stream, "two,", 4);
    return say(response, "three");
}

/* Writes 32 MiB in pieces of 64 KiB, and reports its progress on standard error. */
FAAS_EXPORT int32_t flood(const faas_request *request, faas_response *response)
{
    int i;
    (void)response;
    memset(answer, 'y', sizeof answer);
    for (i = 1; i <= 512; i++) {
        if (request->write(request->stream, answer, sizeof answer) != 0)
            break;
        if (i % 64 == 0)
            fprintf(stderr, "wrote %d\n", i);
    }
    return 0;
}

/* Writes a piece, then fails. Event 1: exits. 2: waits for a minute first. 3: its error type is one that the platform
   does not know. */
FAAS_EXPORT int32_t broken(const faas_request *request, faas_response *response)
{
    request->write(request->stream, "half", 4);
    if (number(request) == 1)
        _exit(5);
    if (number(request) == 2)
        wait_ms(60000);
    response->error_type = number(request) == 3 ? "LostThread" : "Function.LostThread";
    response->error_message = "what was I saying?";
    return 1;
}

/* A web function: returns a response document with the event's path in it. */
FAAS_EXPORT int32_t web(const faas_request *request, faas_response *response)
{
    const char *event = request->payload, *key = strstr(event, "\"rawPath\":\""), *end;
    char path[1024] = "";
    if (key != NULL && (end = strchr(key + 11, '"')) != NULL && end - key - 11 < 1000)
        memcpy(path, key + 11, (size_t)(end - key - 11));
    if (strcmp(path, "/bad") == 0)
        return say(response, "{\"statusCode\":\"many\"}");
    if (strcmp(path, "/plain") == 0)
        return say(response, "{\"hello\":\"there\"}");
    if (strcmp(path, "/die") == 0)
        _exit(4);
    if (strcmp(path, "/nap") == 0)
        wait_ms(60000);
    snprintf(answer, sizeof answer,
             "{\"statusCode\":201,\"headers\":{\"X-Path\":\"%s\",\"content-type\":\"text/plain\"},"
             "\"cookies\":[\"a=1\",\"b=2\"],\"body\":\"hello\"}", path);
    return say(response, answer);
}

static const char prelude[] = "{\"statusCode\":202,\"headers\":{\"X-Kind\":\"streamed\"}}\0\0\0\0\0\0\0\0body ";

/* Streams a prelude and a body. Path /half: fails within the prelude. Path /endless: the prelude has no end. */
FAAS_EXPORT int32_t web_stream(const faas_request *request, faas_response *response)
{
    const char *event = request->payload;
    response->content_type = "application/vnd.awslambda.http-integration-response";
    if (strstr(event, "\"rawPath\":\"/endless\"") != NULL)
        return flood(request, response);
    request->write(request->stream, prelude, 20);
    if (strstr(event, "\"rawPath\":\"/half\"") != NULL)
        return fail(request, response);
    request->write(request->stream, prelude + 20, sizeof prelude - 1 - 20);
    return say(response, "and more");
}

/* Streams a response document, without a prelude. Event with /half: fails within it. Event with /large: 2 MiB. */
FAAS_EXPORT int32_t document_stream(const faas_request *request, faas_response *response)
{
    const char *event = request->payload;
    int i;
    request->write(request->stream, "{\"statusCode\":203,", 18);
    if (strstr(event, "/half") != NULL)
        return fail(request, response);
    request->write(request->stream, "\"body\":\"", 8);
    memset(answer, 'y', sizeof answer);
    for (i = 0; strstr(event, "/large") != NULL && i < 32; i++)
        request->write(request->stream, answer, sizeof answer);
    return say(response, "in pieces\"}");
}
