/* Optional symbols: what they do depends on the environment, so that one library serves all tests. */
#include <faas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *state = "not initialised";

uint32_t faas_abi_version(void)
{
    return FAAS_ABI_VERSION;
}

int32_t faas_init(faas_response *response)
{
    if (getenv("INIT_FAILS") != NULL) {
        response->error_type = "Function.NoDatabase";
        response->error_message = "the database is away";
        return 1;
    }
    state = "initialised";
    return 0;
}

void faas_shutdown(void)
{
    fputs("shut down\n", stderr);
}

FAAS_EXPORT int32_t handle(const faas_request *request, faas_response *response)
{
    (void)request;
    response->data = state;
    response->len = strlen(state);
    return 0;
}
