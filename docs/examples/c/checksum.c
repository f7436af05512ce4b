/* checksum: returns the CRC-32 of an event. */
#include <faas.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_SIZE = 64, BLOCK_SIZE = 16 };

static uint32_t table[256]; /* only faas_init writes it, so handlers may read it on any thread */

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
    response->error_message = message; /* both are constants of the library: there is nothing to release */
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
    (void)response; /* unused, because this hook cannot fail */
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
        table[i] = crc;
    }
    return 0;
}

/* The handler. It returns the whole response at once. */
FAAS_EXPORT int32_t handle(const faas_request *request, faas_response *response)
{
    uint32_t crc = crc32(request->payload, request->payload_len);
    char *text;
    int len;

    if (request->payload_len <= 2) /* {} or shorter */
        return fail(response, "Function.EmptyEvent", "the event is empty");
    text = malloc(TEXT_SIZE);
    if (text == NULL)
        return fail(response, "Function.OutOfMemory", "not enough memory for the response");
    len = snprintf(text, TEXT_SIZE, "{\"bytes\":%zu,\"crc32\":\"%08" PRIx32 "\"}", request->payload_len, crc);
    response->data = text;
    response->len = (size_t)len;
    response->private_data = text;
    response->release = release;
    return 0;
}

/* A second handler of the same library. It streams the response: one line for each block of the event. */
FAAS_EXPORT int32_t blocks(const faas_request *request, faas_response *response)
{
    const unsigned char *payload = request->payload;

    if (request->write == NULL)
        return fail(response, "Function.CannotStream", "this runtime cannot stream");
    response->content_type = "text/plain"; /* before the first piece */
    for (size_t at = 0; at < request->payload_len; at += BLOCK_SIZE) {
        size_t left = request->payload_len - at;
        uint32_t crc = crc32(payload + at, left < BLOCK_SIZE ? left : BLOCK_SIZE);
        char line[TEXT_SIZE];
        int len = snprintf(line, sizeof line, "%zu %08" PRIx32 "\n", at, crc);
        if (request->write(request->stream, line, (size_t)len) != 0)
            return fail(response, "Function.CallerGone", "the caller no longer receives the response");
    }
    return 0;
}
