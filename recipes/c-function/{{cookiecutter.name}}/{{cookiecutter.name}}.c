/* {{ cookiecutter.name }}: a function for faas-runtime. The contract is in faas.h. */
#include "faas.h"

#include <stdlib.h>
#include <string.h>

static const char FUNCTION[] = "{{ cookiecutter.name }}";

/* A text that grows; `data` is NULL once there was not enough memory. */
typedef struct text {
    char *data;
    size_t len;
    size_t capacity;
} text;

static void append(text *to, const void *data, size_t len)
{
    if (to->data == NULL || len == 0)
        return;
    if (len > to->capacity - to->len) {
        size_t capacity = to->capacity + len;
        char *grown = realloc(to->data, capacity);
        if (grown == NULL)
            free(to->data);
        to->data = grown;
        to->capacity = capacity;
        if (grown == NULL)
            return;
    }
    memcpy(to->data + to->len, data, len);
    to->len += len;
}

static void append_string(text *to, const char *string)
{
    append(to, string, strlen(string));
}

/* Appends a JSON string with what has to be escaped in it. */
static void append_quoted(text *to, const char *string)
{
    static const char HEX[] = "0123456789abcdef";
    append(to, "\"", 1);
    for (; *string != '\0'; string++) {
        unsigned char byte = (unsigned char)*string;
        char escape[] = {'\\', 'u', '0', '0', HEX[byte >> 4], HEX[byte & 15]};
        if (byte < 0x20) {
            append(to, escape, sizeof escape);
        } else {
            if (byte == '"' || byte == '\\')
                append(to, "\\", 1);
            append(to, string, 1);
        }
    }
    append(to, "\"", 1);
}

/* The runtime calls it when it has taken the answer: who allocated it frees it. */
static void release(faas_response *response)
{
    free(response->private_data);
    response->private_data = NULL;
}

FAAS_EXPORT uint32_t faas_abi_version(void)
{
    return FAAS_ABI_VERSION;
}

FAAS_EXPORT int32_t handle(const faas_request *request, faas_response *response);

/* Answers with the event as it is, which is JSON, the name of the function and the id of the request. */
int32_t handle(const faas_request *request, faas_response *response)
{
    size_t capacity = request->payload_len + 256;
    text answer = {malloc(capacity), 0, capacity};

    append_string(&answer, "{\"event\":");
    if (request->payload_len == 0)
        append_string(&answer, "null");
    append(&answer, request->payload, request->payload_len);
    append_string(&answer, ",\"function\":");
    append_quoted(&answer, FUNCTION);
    append_string(&answer, ",\"request_id\":");
    append_quoted(&answer, request->request_id);
    append_string(&answer, "}");

    if (answer.data == NULL) {
        response->error_type = "Function.OutOfMemory";
        response->error_message = "there is not enough memory for the answer";
        return 1;
    }
    response->data = answer.data;
    response->len = answer.len;
    response->private_data = answer.data;
    response->release = release;
    return 0;
}
