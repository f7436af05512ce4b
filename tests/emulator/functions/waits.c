/* Streams a piece, waits until the file named by FAAS_TEST_GO exists, and streams another piece. */
#include <faas.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

uint32_t faas_abi_version(void)
{
    return FAAS_ABI_VERSION;
}

static void wait_for_leave(void)
{
    const char *name = getenv("FAAS_TEST_GO");
    struct timespec pause = {0, 5 * 1000 * 1000};
    while (name != NULL && access(name, F_OK) != 0)
        nanosleep(&pause, NULL);
}

FAAS_EXPORT int32_t handle(const faas_request *request, faas_response *response)
{
    response->content_type = "text/plain";
    printf("pid %ld\n", (long)getpid());
    fflush(stdout);
    if (request->write(request->stream, "first ", 6) != 0)
        return 1;
    wait_for_leave();
    response->data = "second";
    response->len = 6;
    return request->write(request->stream, NULL, 0);
}

/* Exits before its stream is complete. */
FAAS_EXPORT int32_t leave(const faas_request *request, faas_response *response)
{
    (void)response;
    if (request->write(request->stream, "first ", 6) != 0)
        return 1;
    wait_for_leave();
    _exit(9);
}

/* Fails until the file exists, and creates it. */
FAAS_EXPORT int32_t once(const faas_request *request, faas_response *response)
{
    const char *name = getenv("FAAS_TEST_GO");
    FILE *file;
    (void)request;
    if (name == NULL || access(name, F_OK) == 0)
        return 0;
    response->error_type = "Function.FirstTime";
    file = fopen(name, "w");
    return file == NULL ? 2 : 1 + fclose(file);
}
