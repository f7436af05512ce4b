/*
 * A host of functions, without the runtime: it loads a library, calls the handler once with every field of the
 * request set, and prints what comes back, one line a field. It is built for glibc and for musl.
 *
 *     host LIBRARY HANDLER PAYLOAD             the hooks and one invocation
 *     host LIBRARY HANDLER PAYLOAD ROUNDS      also the memory that this many more invocations took, in KiB
 *
 * With HOST_PEER=gone, nobody receives the pieces of a stream. With HOST_PEER=none, there is no stream.
 */
#include <dlfcn.h>
#include <faas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int32_t (*hook_function)(faas_response *);

static int is_gone, is_quiet;

static void load(void *library, const char *name, void *function, size_t size)
{
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, size); /* C99 has no conversion from void * to a function */
}

static void print(const char *name, const char *text)
{
    if (text != NULL)
        printf("%s %s\n", name, text);
}

static faas_response empty_response(void)
{
    faas_response response;
    memset(&response, 0, sizeof response);
    response.struct_size = sizeof response;
    return response;
}

static void finish(const char *name, int32_t status, faas_response *response)
{
    if (!is_quiet) {
        printf("%s %d\n", name, (int)status);
        if (response->len > 0)
            printf("data %.*s\n", (int)response->len, (const char *)response->data);
        print("content_type", response->content_type);
        print("error_type", response->error_type);
        print("error_message", response->error_message);
        print("stack_trace", response->stack_trace);
    }
    if (response->release != NULL) {
        response->release(response);
        if (response->private_data != NULL)
            puts("not released");
    }
}

static int32_t send_piece(void *stream, const void *data, size_t len)
{
    const faas_response *response = stream;
    if (is_gone)
        return 1;
    if (!is_quiet)
        printf("sent %s: %.*s\n", response->content_type, (int)len, (const char *)data);
    return 0;
}

static void invoke(faas_handler handler, const char *payload, const char *peer)
{
    faas_response response = empty_response();
    faas_request request;
    memset(&request, 0, sizeof request);
    request.struct_size = sizeof request;
    request.memory_limit_mb = 512;
    request.payload = payload;
    request.payload_len = strlen(payload);
    request.request_id = "r-1";
    request.invocation_id = "i-1";
    request.deadline_ms = 99000000000123;
    request.function_arn = "arn:1";
    request.trace_id = "Root=1";
    request.client_context = "{\"w3c\":{}}";
    request.cognito_identity = "{\"id\":1}";
    request.tenant_id = "tenant";
    request.function_name = "name";
    request.function_version = "$LATEST";
    request.log_group = "group";
    request.log_stream = "stream";
    if (strcmp(peer, "none") != 0) {
        request.write = send_piece;
        request.stream = &response;
    }
    finish("status", handler(&request, &response), &response);
}

static void call_hook(void *library, const char *name)
{
    faas_response response = empty_response();
    hook_function hook;
    load(library, name, &hook, sizeof hook);
    if (hook != NULL)
        finish(name, hook(&response), &response);
}

static long resident_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1)
        exit(2);
    fclose(file);
    return pages * 4;
}

static long grown(faas_handler handler, const char *payload, long rounds)
{
    long before, round;
    is_quiet = 1;
    for (round = 0; round < rounds / 10; round++)
        invoke(handler, payload, "");
    before = resident_kib();
    for (round = 0; round < rounds; round++)
        invoke(handler, payload, "");
    return resident_kib() - before;
}

int main(int count, char **arguments)
{
    const char *peer = getenv("HOST_PEER");
    uint32_t (*version)(void);
    void (*shut_down)(void);
    faas_handler handler;
    void *library = count < 4 ? NULL : dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "host: %s\n", count < 4 ? "LIBRARY HANDLER PAYLOAD expected" : dlerror());
        return 2;
    }
    peer = peer == NULL ? "" : peer;
    is_gone = strcmp(peer, "gone") == 0;
    load(library, "faas_abi_version", &version, sizeof version);
    load(library, arguments[2], &handler, sizeof handler);
    load(library, "faas_shutdown", &shut_down, sizeof shut_down);
    if (version == NULL || handler == NULL) {
        fprintf(stderr, "host: %s: no faas_abi_version or no %s\n", arguments[1], arguments[2]);
        return 2;
    }
    printf("version %d\n", (int)version());
    call_hook(library, "faas_init");
    call_hook(library, "faas_before_snapshot");
    call_hook(library, "faas_after_restore");
    invoke(handler, arguments[3], peer);
    if (count > 4)
        printf("grown %ld\n", grown(handler, arguments[3], strtol(arguments[4], NULL, 10)));
    if (shut_down != NULL)
        shut_down();
    return 0;
}
