/* Hooks that hang, wait or exit, and handlers that fork or close descriptors. EARLY names a hook and its action. */
#define _POSIX_C_SOURCE 200809L
#include <faas.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

uint32_t faas_abi_version(void)
{
    return FAAS_ABI_VERSION;
}

static void wait_ms(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&time, &time) != 0)
        ;
}

/* EARLY is "HOOK ACTION": prints the hook's name, and does the action. */
static int32_t play(const char *hook)
{
    const char *plan = getenv("EARLY");
    const char *what = "";
    size_t size = strlen(hook);
    if (plan != NULL && strncmp(plan, hook, size) == 0 && plan[size] == ' ')
        what = plan + size + 1;
    fprintf(stderr, "%s\n", hook);
    if (strcmp(what, "waits") == 0)
        wait_ms(500);
    while (strcmp(what, "hangs") == 0)
        wait_ms(1000);
    if (strcmp(what, "leaves") == 0)
        exit(0);
    return 0;
}

int32_t faas_init(faas_response *response)
{
    (void)response;
    return play("init");
}

int32_t faas_before_snapshot(faas_response *response)
{
    (void)response;
    return play("before");
}

int32_t faas_after_restore(faas_response *response)
{
    (void)response;
    return play("after");
}

void faas_shutdown(void)
{
    play("shutdown");
}

FAAS_EXPORT int32_t echo(const faas_request *request, faas_response *response)
{
    response->data = request->payload;
    response->len = request->payload_len;
    return 0;
}

/* Sends a signal to a child that does not run another program. */
FAAS_EXPORT int32_t signal_child(const faas_request *request, faas_response *response)
{
    pid_t child = fork();
    if (child == 0) {
        wait_ms(60000);
        _exit(0);
    }
    wait_ms(100);
    kill(child, SIGTERM);
    wait_ms(100);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return echo(request, response);
}

/* A child ends by exit(), which calls the exit handlers of its parent. */
FAAS_EXPORT int32_t leaving_child(const faas_request *request, faas_response *response)
{
    pid_t child = fork();
    if (child == 0)
        exit(0);
    waitpid(child, NULL, 0);
    return echo(request, response);
}

/* Closes the descriptors below 100, except the first three. */
FAAS_EXPORT int32_t close_hundred(const faas_request *request, faas_response *response)
{
    int i;
    for (i = 3; i <= 100; i++)
        close(i);
    return echo(request, response);
}

/* Closes all descriptors but the first three, as a bad daemon does; never answers "hang". */
FAAS_EXPORT int32_t close_all(const faas_request *request, faas_response *response)
{
    int i;
    for (i = 3; i < 1024; i++)
        close(i);
    while (request->payload_len == 4)
        wait_ms(1000);
    return echo(request, response);
}
