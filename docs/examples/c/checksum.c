/* checksum: answers an event with its CRC-32. */
#include <faas.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { ANSWER_SIZE = 64, BLOCK_SIZE = 16 };

static uint32_t table[256]; /* written by faas_init alone, so that handlers may read it from any thread */

static uint32_t crc32(const void *data, size_t len)
{
    const unsigned char *bytes = data;
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < len; i++)
        crc = table[(crc ^ bytes[i]) & 0xff] ^ crc >> 8;
    return ~crc;
}

static int32_t fail(faas_response *response, const char *type, const char *message)
{
    response->error_type = type;
    response->error_message = message; /* both live as long as the library: there is nothing to release */
    return 1;
}

static void release(faas_response *response)
{
    free(response->private_data);
}

FAAS_EXPORT uint32_t faas_abi_version(void)
{
    return FAAS_ABI_VERSION;
}

/* Called once, before the first invocation. */
FAAS_EXPORT int32_t faas_init(faas_response *response)
{
    (void)response; /* it would take the error */
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
        table[i] = crc;
    }
    return 0;
}

/* The handler: the whole answer at once. */
FAAS_EXPORT int32_t handle(const faas_request *request, faas_response *response)
{
    uint32_t crc = crc32(request->payload, request->payload_len);
    char *answer;
    int len;

    if (request->payload_len <= 2) /* {} at the most */
        return fail(response, "Function.EmptyEvent", "there is nothing to sum up");
    answer = malloc(ANSWER_SIZE);
    if (answer == NULL)
        return fail(response, "Function.OutOfMemory", "there is not enough memory for the answer");
    len = snprintf(answer, ANSWER_SIZE, "{\"bytes\":%zu,\"crc32\":\"%08" PRIx32 "\"}", request->payload_len, crc);
    response->data = answer;
    response->len = (size_t)len;
    response->private_data = answer;
    response->release = release;
    return 0;
}

/* A second handler of the same library: the answer in pieces, a line for each block of the event. */
FAAS_EXPORT int32_t blocks(const faas_request *request, faas_response *response)
{
    const unsigned char *payload = request->payload;

    if (request->write == NULL)
        return fail(response, "Function.CannotStream", "this runtime takes whole answers only");
    response->content_type = "text/plain"; /* before the first piece */
    for (size_t at = 0; at < request->payload_len; at += BLOCK_SIZE) {
        size_t left = request->payload_len - at;
        uint32_t crc = crc32(payload + at, left < BLOCK_SIZE ? left : BLOCK_SIZE);
        char line[ANSWER_SIZE];
        int len = snprintf(line, sizeof line, "%zu %08" PRIx32 "\n", at, crc);
        if (request->write(request->stream, line, (size_t)len) != 0)
            return fail(response, "Function.NobodyListens", "the rest was not wanted any more");
    }
    return 0;
}
