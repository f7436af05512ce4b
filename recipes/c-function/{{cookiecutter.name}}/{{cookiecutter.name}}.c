/* {{ cookiecutter.name }}: a function for faas-runtime. The contract is in faas.h. */
#include "faas.h"

#include <stdlib.h>
#include <string.h>

static const char FUNCTION[] = "{{ cookiecutter.name }}";

/* A text that grows. `data` is NULL after an allocation has failed. */
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

/* Appends a JSON string, and escapes its characters where JSON requires it. */
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

/* The runtime calls this after it has sent the response. The library frees what the library allocated. */
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

/* Returns the event unchanged (it is JSON), the name of the function and the request id. */
int32_t handle(const faas_request *request, faas_response *response)
{
    size_t capacity = request->payload_len + 256;
    text json = {malloc(capacity), 0, capacity};

    append_string(&json, "{\"event\":");
    if (request->payload_len == 0)
        append_string(&json, "null");
    append(&json, request->payload, request->payload_len);
    append_string(&json, ",\"function\":");
    append_quoted(&json, FUNCTION);
    append_string(&json, ",\"request_id\":");
    append_quoted(&json, request->request_id);
    append_string(&json, "}");

    if (json.data == NULL) {
        response->error_type = "Function.OutOfMemory";
        response->error_message = "not enough memory for the response";
        return 1;
    }
    response->data = json.data;
    response->len = json.len;
    response->private_data = json.data;
    response->release = release;
    return 0;
}
