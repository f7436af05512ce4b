/* Unit test. It calls the handler as the runtime does. */
#include "faas.h"

#include <stdio.h>
#include <string.h>

int32_t handle(const faas_request *request, faas_response *response);

#define FUNCTION "\"{{ cookiecutter.name }}\""
#define RESPONSE(event, id) "{\"event\":" event ",\"function\":" FUNCTION ",\"request_id\":" id "}"

static int failures = 0;

static void expect(const char *payload, const char *request_id, const char *expected)
{
    faas_request request = {0};
    faas_response response = {0};
    int32_t status;

    request.struct_size = sizeof request;
    request.payload = payload;
    request.payload_len = payload == NULL ? 0 : strlen(payload);
    request.request_id = request_id;
    response.struct_size = sizeof response;

    status = handle(&request, &response);
    if (status != 0 || response.len != strlen(expected) || memcmp(response.data, expected, response.len)) {
        const char *data = response.data;
        fprintf(stderr, "%s: expected status 0 and %s\n", payload == NULL ? "NULL" : payload, expected);
        fprintf(stderr, "  found status %d and %.*s\n", (int)status, (int)response.len, data);
        failures++;
    }
    if (response.release != NULL)
        response.release(&response);
}

int main(void)
{
    if (faas_abi_version() != FAAS_ABI_VERSION) {
        fprintf(stderr, "faas_abi_version: expected %d\n", FAAS_ABI_VERSION);
        failures++;
    }
    expect("{\"a\":1}", "r-1", RESPONSE("{\"a\":1}", "\"r-1\""));
    expect("", "r-2", RESPONSE("null", "\"r-2\""));
    expect(NULL, "r-2", RESPONSE("null", "\"r-2\""));
    expect("[]", "\"\\\n", RESPONSE("[]", "\"\\\"\\\\\\u000a\""));
    puts(failures == 0 ? "ok" : "FAILED");
    return failures == 0 ? 0 : 1;
}
