/* faulty: a handler for each fault on the page docs/debugging.md. */
#include <faas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct order {
    int number;
    int pieces;
} order;

static order *find(int number)
{
    return number == 42 ? NULL : malloc(sizeof(order)); /* there is no order 42 */
}

static int count(int number)
{
    return find(number)->pieces;
}

FAAS_EXPORT uint32_t faas_abi_version(void)
{
    return FAAS_ABI_VERSION;
}

/* Reads from a NULL pointer. */
FAAS_EXPORT int32_t crash(const faas_request *request, faas_response *response)
{
    (void)request;
    (void)response;
    return count(42);
}

/* Reads one byte after the end of its allocation. */
FAAS_EXPORT int32_t overrun(const faas_request *request, faas_response *response)
{
    char *copy = malloc(request->payload_len);
    int32_t sum = 0;

    (void)response;
    memcpy(copy, request->payload, request->payload_len);
    for (size_t i = 0; i <= request->payload_len; i++)
        sum += copy[i];
    free(copy);
    return sum == 0;
}

/* Overflows an int32_t. */
FAAS_EXPORT int32_t overflow(const faas_request *request, faas_response *response)
{
    int32_t total = INT32_MAX - 1;

    (void)response;
    for (size_t i = 0; i < request->payload_len; i++)
        total++;
    return total == 0;
}

/* Never returns. */
FAAS_EXPORT int32_t hang(const faas_request *request, faas_response *response)
{
    volatile const size_t *len = &request->payload_len;

    (void)response;
    while (*len != 0)
        ;
    return 0;
}

/* Ends the process. */
FAAS_EXPORT int32_t leave(const faas_request *request, faas_response *response)
{
    (void)request;
    (void)response;
    exit(3);
}

/* Prints a line that stays in the buffer of stdout. */
FAAS_EXPORT int32_t chatter(const faas_request *request, faas_response *response)
{
    (void)response;
    printf("chatter: request %s\n", request->request_id);
    return 0;
}

/* Returns an error. */
FAAS_EXPORT int32_t refuse(const faas_request *request, faas_response *response)
{
    (void)request;
    response->error_type = "Function.OutOfStock";
    response->error_message = "none left of \"item 7\"";
    response->stack_trace = "faulty.c:94";
    return 1;
}
