/* Takes STUCK seconds to load, or never ends. */
#define _POSIX_C_SOURCE 200809L
#include <faas.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void wait_for_ever(void)
{
    const char *stuck = getenv("STUCK");
    unsigned seconds = stuck == NULL ? 1000000 : (unsigned)atoi(stuck);
    fputs("loading\n", stderr);
    while (seconds != 0)
        seconds = sleep(seconds);
}

uint32_t faas_abi_version(void)
{
    return FAAS_ABI_VERSION;
}
