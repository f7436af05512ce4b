/* Makes gcc's unwinder, which Debian has for glibc alone, into a libgcc_s.so.1 for musl; see stand_ins.py. */
#define _GNU_SOURCE
#include <link.h>
#include <stddef.h>
#include <stdint.h>

/* In libgcc_eh.a the functions are hidden, and renamed by now. The jump leaves the caller's frame as it is. */
#define EXPORT(name) __asm__(".globl " #name "\n.type " #name ",@function\n" #name ": jmp hidden" #name)
EXPORT(_Unwind_Backtrace);
EXPORT(_Unwind_DeleteException);
EXPORT(_Unwind_FindEnclosingFunction);
EXPORT(_Unwind_Find_FDE);
EXPORT(_Unwind_ForcedUnwind);
EXPORT(_Unwind_GetCFA);
EXPORT(_Unwind_GetDataRelBase);
EXPORT(_Unwind_GetGR);
EXPORT(_Unwind_GetIP);
EXPORT(_Unwind_GetIPInfo);
EXPORT(_Unwind_GetLanguageSpecificData);
EXPORT(_Unwind_GetRegionStart);
EXPORT(_Unwind_GetTextRelBase);
EXPORT(_Unwind_RaiseException);
EXPORT(_Unwind_Resume);
EXPORT(_Unwind_Resume_or_Rethrow);
EXPORT(_Unwind_SetGR);
EXPORT(_Unwind_SetIP);

/* glibc since 2.35 finds the unwind table of an address by itself; musl has but dl_iterate_phdr. */
struct dl_find_object {
    unsigned long long flags;
    void *start, *end;
    struct link_map *map;
    void *eh_frame;
    unsigned long long reserved[7];
};

struct search {
    uintptr_t address;
    struct dl_find_object *found;
};

static int look_into(struct dl_phdr_info *info, size_t size, void *data) {
    struct search *search = data;
    void *table = NULL, *start = NULL, *end = NULL;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t address = info->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_GNU_EH_FRAME) {
            table = (void *)address;
        } else if (header->p_type == PT_LOAD && search->address - address < header->p_memsz) {
            start = (void *)address;
            end = (void *)(address + header->p_memsz);
        }
    }
    if (start == NULL || table == NULL) {
        return 0;
    }
    search->found->start = start;
    search->found->end = end;
    search->found->eh_frame = table;
    return 1;
}

int _dl_find_object(void *address, struct dl_find_object *found);
int _dl_find_object(void *address, struct dl_find_object *found) {
    struct search search = {(uintptr_t)address, found};
    return dl_iterate_phdr(look_into, &search) ? 0 : -1;
}
