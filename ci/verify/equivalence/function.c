/* Answers the events of the gate `equivalence`. The client context of an event says how; see events.py. */
#include <faas.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define BLOCK 65536
#define BLOCKS 96 /* 6 MiB */

static char answer[32768];
static char block[BLOCK];

FAAS_EXPORT uint32_t faas_abi_version(void)
{
    return FAAS_ABI_VERSION;
}

FAAS_EXPORT void faas_shutdown(void)
{
    static const char TEXT[] = "function: shut down\n";
    if (write(2, TEXT, sizeof TEXT - 1) < 0)
        _exit(9);
}

static int32_t say(faas_response *response, size_t len)
{
    response->data = answer;
    response->len = len;
    return 0;
}

static const char *text(const char *value)
{
    return value == NULL ? "(not given)" : value;
}

static int32_t describe(const faas_request *request, faas_response *response)
{
    int len = snprintf(answer, sizeof answer,
                       "payload_len=%lu\nrequest_id=%s\ninvocation_id=%s\ndeadline_ms=%lld\nfunction_arn=%s\n"
                       "trace_id=%s\nclient_context=%s\ncognito_identity=%s\ntenant_id=%s\nfunction_name=%s\n"
                       "function_version=%s\nlog_group=%s\nlog_stream=%s\nmemory_limit_mb=%lu\n",
                       (unsigned long)request->payload_len, request->request_id, text(request->invocation_id),
                       (long long)request->deadline_ms, text(request->function_arn), text(request->trace_id),
                       text(request->client_context), text(request->cognito_identity), text(request->tenant_id),
                       text(request->function_name), text(request->function_version), text(request->log_group),
                       text(request->log_stream), (unsigned long)request->memory_limit_mb);
    return say(response, (size_t)len);
}

static int32_t fail(faas_response *response, const char *type, const char *message, const char *stack)
{
    response->error_type = type;
    response->error_message = message;
    response->stack_trace = stack;
    return 1;
}

static int32_t fail_at_length(faas_response *response)
{
    static char message[300001];
    memset(message, 'm', sizeof message - 1);
    return fail(response, "Function.TooLong", message, NULL);
}

static int32_t stream(const faas_request *request, faas_response *response, const char *type, int32_t status)
{
    response->content_type = type;
    if (request->write(request->stream, "first,", 6) || request->write(request->stream, "second,", 7))
        return 1;
    response->data = "last";
    response->len = 4;
    return status ? fail(response, "Function.BrokeOff", "in the middle of a stream", "function.c:1") : 0;
}

static int32_t stream_much(const faas_request *request, faas_response *response)
{
    int i;
    response->content_type = "application/octet-stream";
    for (i = 0; i < BLOCKS; i++) {
        memset(block, 'a' + i % 26, sizeof block);
        if (request->write(request->stream, block, sizeof block))
            return 1;
    }
    return 0;
}

static int32_t stream_http(const faas_request *request, faas_response *response)
{
    static const char PRELUDE[] = "{\"statusCode\":418,\"headers\":{\"x-a\":\"b\"}}\0\0\0\0\0\0\0";
    response->content_type = "application/vnd.awslambda.http-integration-response";
    if (request->write(request->stream, PRELUDE, sizeof PRELUDE))
        return 1;
    response->data = "a body";
    response->len = 6;
    return 0;
}

static int32_t print(faas_response *response)
{
    fputs("to standard output\n", stdout);
    fflush(stdout);
    fputs("to standard error: gr\xc3\xbc\xc3\x9f dich\n", stderr);
    fflush(stderr);
    answer[0] = '1';
    return say(response, 1);
}

static void end(const char *how)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    if (!strcmp(how, "crash"))
        raise(SIGSEGV);
    if (!strcmp(how, "abort"))
        abort();
    if (!strcmp(how, "exit"))
        exit(3);
    for (;;)
        pause();
}

FAAS_EXPORT int32_t handle(const faas_request *request, faas_response *response)
{
    const char *how = text(request->client_context);
    if (!strncmp(how, "describe", 8) || request->client_context == NULL)
        return describe(request, response);
    if (!strcmp(how, "echo")) {
        response->data = request->payload;
        response->len = request->payload_len;
        return 0;
    }
    if (!strcmp(how, "nothing"))
        return 0;
    if (!strcmp(how, "nowhere")) {
        response->len = 5;
        return 0;
    }
    if (!strcmp(how, "trace"))
        return say(response, (size_t)sprintf(answer, "%s", text(getenv("_X_AMZN_TRACE_ID"))));
    if (!strcmp(how, "text") || !strcmp(how, "bad-type")) {
        response->content_type = *how == 't' ? "text/plain; charset=utf-8" : "text/plain\r\nx: y";
        return say(response, (size_t)sprintf(answer, "plain text"));
    }
    if (!strcmp(how, "fail"))
        return fail(response, "Function.Broken", "a \"quoted\" message\nwith \\, \x01, \xff and \xc3\xbc",
                    "src/one.c:1:2\ntwo.c:2");
    if (!strcmp(how, "fail-silently"))
        return -3;
    if (!strcmp(how, "fail-own-type"))
        return fail(response, "my\r\nError", "", NULL);
    if (!strcmp(how, "fail-at-length"))
        return fail_at_length(response);
    if (!strcmp(how, "print"))
        return print(response);
    if (!strcmp(how, "stream"))
        return stream(request, response, "text/plain", 0);
    if (!strcmp(how, "stream-breaks"))
        return stream(request, response, NULL, 1);
    if (!strcmp(how, "stream-much"))
        return stream_much(request, response);
    if (!strcmp(how, "stream-http"))
        return stream_http(request, response);
    end(how);
    return 0;
}
