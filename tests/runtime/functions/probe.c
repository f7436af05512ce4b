/* Handlers, each with one behaviour. */
#include <faas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static __thread char answer[8192]; /* of each poller its own */
static int releases = 0;

static void count_release(faas_response *response)
{
    (void)response;
    releases++;
}

static void count_hundred(faas_response *response)
{
    (void)response;
    releases += 100;
}

static int32_t say(faas_response *response, size_t len)
{
    response->data = answer;
    response->len = len;
    return 0;
}

uint32_t faas_abi_version(void)
{
    return FAAS_ABI_VERSION;
}

FAAS_EXPORT int32_t echo(const faas_request *request, faas_response *response)
{
    response->data = request->payload;
    response->len = request->payload_len;
    return 0;
}

/* UTF-8 never contains 0xFF. */
FAAS_EXPORT int32_t not_utf8(const faas_request *request, faas_response *response)
{
    (void)request;
    memcpy(answer, "\xff\x00\xfe", 3);
    return say(response, 3);
}

FAAS_EXPORT int32_t fail(const faas_request *request, faas_response *response)
{
    (void)request;
    response->error_type = "Function.Broken";
    response->error_message = "a \"quoted\" message\nwith \\ and \x01 and \xff";
    response->stack_trace = "one.c:1\ntwo.c:2";
    response->release = count_release;
    return 7;
}

FAAS_EXPORT int32_t fail_at_length(const faas_request *request, faas_response *response)
{
    static char message[10 << 20];
    (void)request;
    memset(message, 'm', sizeof message - 1);
    response->error_message = response->error_type = response->stack_trace = message;
    return 1;
}

FAAS_EXPORT int32_t fail_own_type(const faas_request *request, faas_response *response)
{
    (void)request;
    response->error_type = "my\r\nError";
    return 1;
}

FAAS_EXPORT int32_t fail_silently(const faas_request *request, faas_response *response)
{
    (void)request;
    (void)response;
    return -3;
}

/* One release for `1`, another for `2`, none for `0`; other events fail, with the first release. */
FAAS_EXPORT int32_t count(const faas_request *request, faas_response *response)
{
    char kind = request->payload_len == 1 ? *(const char *)request->payload : 'f';
    if (kind == 'f')
        return fail(request, response);
    response->release = kind == '1' ? count_release : kind == '2' ? count_hundred : NULL;
    return say(response, (size_t)sprintf(answer, "%d", releases));
}

/* Answers "say" and "how", and does not change the response for any other event. */
FAAS_EXPORT int32_t say_or_not(const faas_request *request, faas_response *response)
{
    const char *payload = request->payload;
    if (payload[0] == 'n')
        return 0;
    response->release = count_release;
    if (payload[0] == 's')
        return say(response, (size_t)sprintf(answer, "said"));
    return say(response, (size_t)sprintf(answer, "%d", releases));
}

FAAS_EXPORT int32_t nowhere(const faas_request *request, faas_response *response)
{
    (void)request;
    response->len = 5;
    return 0;
}

FAAS_EXPORT int32_t endless(const faas_request *request, faas_response *response)
{
    (void)request;
    return say(response, (size_t)-1);
}

FAAS_EXPORT int32_t content_type(const faas_request *request, faas_response *response)
{
    memcpy(answer, request->payload, request->payload_len);
    answer[request->payload_len] = '\0';
    response->content_type = answer;
    return 0;
}

FAAS_EXPORT int32_t trace(const faas_request *request, faas_response *response)
{
    const char *seen = getenv("_X_AMZN_TRACE_ID");
    const char *told = request->trace_id;
    int len = sprintf(answer, "%s|%s", seen == NULL ? "unset" : seen, told == NULL ? "NULL" : told);
    return say(response, (size_t)len);
}

FAAS_EXPORT int32_t context(const faas_request *request, faas_response *response)
{
    const char *texts[] = {
        request->request_id,       request->invocation_id, request->function_arn,  request->client_context,
        request->cognito_identity, request->tenant_id,     request->function_name, request->function_version,
        request->log_group,        request->log_stream,
    };
    char *to = answer;
    size_t i;
    for (i = 0; i < sizeof texts / sizeof *texts; i++)
        to += sprintf(to, "%s\n", texts[i] == NULL ? "NULL" : texts[i]);
    to += sprintf(to, "%lld\n", (long long)request->deadline_ms);
    to += sprintf(to, "%lu\n", (unsigned long)request->memory_limit_mb);
    to += sprintf(to, "%d\n", request->struct_size == sizeof *request);
    to += sprintf(to, "%d\n", response->struct_size == sizeof *response);
    to += sprintf(to, "%d\n", request->write != NULL);
    return say(response, (size_t)(to - answer));
}
