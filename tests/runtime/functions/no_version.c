#include <faas.h>

FAAS_EXPORT int32_t handle(const faas_request *request, faas_response *response)
{
    (void)request;
    (void)response;
    return 0;
}
