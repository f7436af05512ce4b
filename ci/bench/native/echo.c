/* The function that is measured: it answers with a copy of the event, as any function allocates its answer. */
#define _POSIX_C_SOURCE 199309L
#include <faas.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NAP_NS = 50 * 1000 * 1000 };

static void release(faas_response *response)
{
    free(response->private_data);
}

FAAS_EXPORT uint32_t faas_abi_version(void)
{
    return FAAS_ABI_VERSION;
}

FAAS_EXPORT int32_t handle(const faas_request *request, faas_response *response);
FAAS_EXPORT int32_t nap(const faas_request *request, faas_response *response);

int32_t handle(const faas_request *request, faas_response *response)
{
    void *copy = malloc(request->payload_len + 1);
    if (copy == NULL) {
        response->error_type = "Function.OutOfMemory";
        return 1;
    }
    memcpy(copy, request->payload, request->payload_len);
    response->data = copy;
    response->len = request->payload_len;
    response->private_data = copy;
    response->release = release;
    return 0;
}

/* The same after 50 ms without any work, like a function that waits for a database. */
int32_t nap(const faas_request *request, faas_response *response)
{
    struct timespec left = {0, NAP_NS};
    while (nanosleep(&left, &left) != 0)
        ;
    return handle(request, response);
}
