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

static int32_t hook(faas_response *response, const char *name, const char *then)
{
    const char *failing = getenv("HOOK_FAILS");
    fprintf(stderr, "%s\n", name);
    if (failing != NULL && strcmp(failing, name) == 0) {
        response->error_type = "Function.NoNetwork";
        response->error_message = "the network is away";
        return 1;
    }
    state = then;
    return 0;
}

int32_t faas_before_snapshot(faas_response *response)
{
    return hook(response, "before", "in a snapshot");
}

int32_t faas_after_restore(faas_response *response)
{
    return hook(response, "after", "restored");
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
