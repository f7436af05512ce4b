/* Answers the version that it was built with, from two ends of a file that takes a moment to write. */
#include <faas.h>
#include <stdio.h>
#include <time.h>

#ifndef VERSION
#define VERSION 0
#endif

static const volatile int first = VERSION;
static const char between[300000] = {1};
static const volatile int last = VERSION;

#if VERSION < 0
extern uint32_t nothing_defines_this(void);
#endif

uint32_t faas_abi_version(void)
{
#if VERSION < 0
    return nothing_defines_this();
#else
    return FAAS_ABI_VERSION;
#endif
}

FAAS_EXPORT int32_t handle(const faas_request *request, faas_response *response)
{
    static char answer[64];
    struct timespec pause = {0, 2 * 1000 * 1000};
    (void)request;
    nanosleep(&pause, NULL);
    response->data = answer;
    response->len = (size_t)sprintf(answer, "%d %d", first, last + between[299999]);
    return 0;
}
