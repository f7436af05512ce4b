/* Functions whose faults the bench must notice: wrong answers, wasted time, leaks. They free nothing. One is right. */
#define _GNU_SOURCE
#include <faas.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define HANDLER(name)                                                                             \
    FAAS_EXPORT int32_t name(const faas_request *request, faas_response *response);               \
    int32_t name(const faas_request *request, faas_response *response)

enum { LOST = 8192, TURNS = 400000 };

FAAS_EXPORT uint32_t faas_abi_version(void)
{
    return FAAS_ABI_VERSION;
}

static char *copy_of(const faas_request *request)
{
    char *copy = malloc(request->payload_len + 1);
    if (copy == NULL)
        exit(1);
    return memcpy(copy, request->payload, request->payload_len);
}

/* One bit of the byte before the last one is wrong. */
HANDLER(flip)
{
    char *copy = copy_of(request);
    copy[request->payload_len - 2] ^= 1;
    response->data = copy;
    response->len = request->payload_len;
    return 0;
}

/* Answers with the previous event, which has the right length and form. */
HANDLER(stale)
{
    static char *last;
    response->data = last != NULL ? last : copy_of(request);
    response->len = request->payload_len;
    last = copy_of(request);
    return 0;
}

HANDLER(shorten)
{
    response->data = copy_of(request);
    response->len = request->payload_len - 1;
    return 0;
}

/* The right answer, after useless work. */
HANDLER(spin)
{
    volatile unsigned turns = 0;
    while (turns < TURNS)
        turns++;
    response->data = copy_of(request);
    response->len = request->payload_len;
    return 0;
}

/* The right answer, and with each one memory and a descriptor are lost. */
HANDLER(leak)
{
    char *lost = malloc(LOST);
    if (lost == NULL || open("/dev/null", O_RDONLY) < 0)
        return 1;
    memset(lost, 1, LOST);
    response->private_data = lost;
    response->data = copy_of(request);
    response->len = request->payload_len;
    return 0;
}

/* The HTTP response to an HTTP request, with its body and this status. */
static int32_t respond(const faas_request *request, faas_response *response, const char *status)
{
    static const char BODY[] = ",\"body\":", END[] = ",\"isBase64Encoded\":false}";
    const char *body = memmem(request->payload, request->payload_len, BODY, sizeof BODY - 1);
    char *text = malloc(request->payload_len + 100);
    if (text == NULL || body == NULL)
        return 1;
    size_t len = (size_t)((const char *)request->payload + request->payload_len - body) - sizeof END + 1;
    char *end = mempcpy(stpcpy(stpcpy(text, "{\"statusCode\":"), status), body, len);
    response->data = text;
    response->len = (size_t)(stpcpy(end, "}") - text);
    return 0;
}

HANDLER(http)
{
    return respond(request, response, "200");
}

HANDLER(http_status)
{
    return respond(request, response, "500");
}

HANDLER(http_stale)
{
    static const faas_request *first;
    static faas_request kept;
    if (first == NULL) {
        kept = *request;
        kept.payload = (const void *)copy_of(request);
        first = &kept;
    }
    return respond(first, response, "200");
}

HANDLER(crash)
{
    (void)request;
    (void)response;
    abort();
}
