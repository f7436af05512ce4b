/* Handlers that show differences of Windows. */
#include <faas.h>
#include <stdio.h>
#include <string.h>
#include <windows.h>

#ifndef BUILD
#define BUILD "1"
#endif
#define CALLERS 4

static char answer[64];
static volatile LONG callers;

#ifdef NEEDS
__declspec(dllimport) uint32_t needed(void);
#endif

uint32_t faas_abi_version(void)
{
#ifdef NEEDS
    return needed();
#else
    return FAAS_ABI_VERSION;
#endif
}

static void crash(void)
{
    *(volatile int *)NULL = 1;
}

#ifdef CRASHES
__attribute__((constructor)) static void on_loading(void)
{
    crash();
}
#endif

FAAS_EXPORT void faas_shutdown(void);

void faas_shutdown(void)
{
    fputs("shut down\n", stderr);
    fflush(stderr);
}

FAAS_EXPORT int32_t build(const faas_request *request, faas_response *response);
FAAS_EXPORT int32_t meet(const faas_request *request, faas_response *response);
FAAS_EXPORT int32_t fall(const faas_request *request, faas_response *response);

int32_t build(const faas_request *request, faas_response *response)
{
    (void)request;
    response->data = "\"" BUILD "\"";
    response->len = strlen("\"" BUILD "\"");
    return 0;
}

/* Answers when all callers are in here at the same time; fails if that never happens. */
int32_t meet(const faas_request *request, faas_response *response)
{
    int rounds;
    (void)request;
    InterlockedIncrement(&callers);
    for (rounds = 0; callers < CALLERS; rounds++) {
        if (rounds == 20000)
            return 1;
        Sleep(1);
    }
    response->data = "\"met\"";
    response->len = strlen("\"met\"");
    return 0;
}

/* Crashes if the event is 1, otherwise returns the process's id. */
int32_t fall(const faas_request *request, faas_response *response)
{
    if (request->payload_len == 1 && *(const char *)request->payload == '1')
        crash();
    response->data = answer;
    response->len = (size_t)sprintf(answer, "%lu", GetCurrentProcessId());
    return 0;
}
