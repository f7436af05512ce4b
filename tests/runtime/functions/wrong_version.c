#include <faas.h>

uint32_t faas_abi_version(void)
{
    return FAAS_ABI_VERSION + 1;
}

FAAS_EXPORT int32_t handle(const faas_request *request, faas_response *response)
{
    (void)request;
    (void)response;
    return 0;
}
