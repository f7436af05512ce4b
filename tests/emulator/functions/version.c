/* Returns the event, and the version, which is at both ends of the file: writing it takes a moment. */
#include <faas.h>
#include <stdio.h>
#include <time.h>

/* Tests write other digits into the file instead of compiling it again. */
static const volatile char first[] = "VERSION=0001";
static const char between[300000] = {1};
static const volatile char last[] = "VERSION=0001";

#ifdef BROKEN
extern uint32_t nothing_defines_this(void);
#endif

uint32_t faas_abi_version(void)
{
#ifdef BROKEN
    return nothing_defines_this();
#else
    return FAAS_ABI_VERSION;
#endif
}

static int number(const volatile char *text)
{
    int found = 0;
    for (text += 8; *text != '\0'; text++)
        found = 10 * found + *text - '0';
    return found * between[0];
}

FAAS_EXPORT int32_t handle(const faas_request *request, faas_response *response)
{
    static __thread char answer[256];
    struct timespec pause = {0, 1000 * 1000};
    nanosleep(&pause, NULL);
    response->data = answer;
    response->len = (size_t)snprintf(answer, sizeof answer, "[%d,%d,%.*s]", number(first), number(last),
                                     (int)request->payload_len, (const char *)request->payload);
    return 0;
}
