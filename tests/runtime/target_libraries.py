"""Libraries of every kind that `check --for` judges: for many processors, C libraries and versions, whole and damaged.

Each is made once, and kept until this file, `target_building.py` or a compiler changes.
"""

from __future__ import annotations

import importlib.metadata
from functools import partial
from pathlib import Path

from tests.cache import kept, key_of
from tests.glue.support import INCLUDE, call
from tests.runtime import target_building
from tests.runtime.target_building import (
    ALL,
    EXPORTS,
    HANDLER,
    SHARED,
    MadeLibrary,
    another,
    cut,
    debugging_information,
    for_arm,
    on,
    script,
    static,
    stripped,
    windows,
    with_a_need,
    with_another_system,
    with_strange_dynamic_section,
    without_sections,
)
from tests.support import program

GLIBC = "x86_64-linux-gnu.2.28"
MUSL = "x86_64-linux-musl"
IMAGES = ("micro", "ubi", "alpine", "al2023")
ON_GLIBC = ("micro", "ubi", "al2023")
NEVER = "extern int nothing_defines_this(void); return nothing_defines_this();"
NO_MUSL = {"alpine": "built against glibc, and alpine has musl"}
NO_GLIBC = on(ON_GLIBC, "built against musl")
USES_OTHER = "extern int other(void); return other();"
RPATH = "-Wl,-rpath,$ORIGIN"
TLS = "static __thread char data[SIZE]; FAAS_EXPORT void *of(void); void *of(void) { return data; }\n"
X32 = "x86_64 with 32-bit pointers"


def elsewhere(machine: str) -> dict[str, str]:
    """A library for a processor that no target has."""
    return on(IMAGES, f"built for {machine}")


LIBRARIES: dict[str, MadeLibrary] = {
    # C libraries and their versions
    "glibc": MadeLibrary(body='return puts("") < 0;', before="#include <stdio.h>\n", compiler=GLIBC, wrong=NO_MUSL),
    "glibc-2.34": MadeLibrary(
        body="static pthread_once_t once; extern void faas_shutdown(void); return pthread_once(&once, faas_shutdown);",
        before="#include <pthread.h>\n#include <faas.h>\nFAAS_EXPORT void faas_shutdown(void) {}\n",
        compiler="x86_64-linux-gnu.2.34",
        wrong=NO_MUSL,
    ),
    "glibc-2.36": MadeLibrary(
        body="return (int32_t)arc4random();",
        before="#include <stdlib.h>\n",
        compiler="x86_64-linux-gnu.2.36",
        wrong={**NO_MUSL, "al2023": "needs GLIBC_2.36 (arc4random), and al2023 has glibc 2.34"},
    ),
    "glibc-2.38": MadeLibrary(
        body="return (int32_t)strlcpy((char *)response, (const char *)request, 8);",
        before="#define _DEFAULT_SOURCE\n#include <string.h>\n",
        compiler="x86_64-linux-gnu.2.38",
        wrong={**NO_MUSL, "al2023": "needs GLIBC_2.38 (strlcpy)"},
    ),
    "glibc-2.41": MadeLibrary(
        body="return (int32_t)sinpif((float)(long)request);",
        before="float sinpif(float);\n",
        compiler="x86_64-linux-gnu.2.41",
        options=(*SHARED, "-lm"),
        wrong={**NO_MUSL, **on(("ubi", "al2023"), "needs GLIBC_2.41 (sinpif)")},
    ),
    "glibc-2.42": MadeLibrary(
        body="return pthread_gettid_np(0);",
        before="int pthread_gettid_np(unsigned long);\n",
        compiler="x86_64-linux-gnu.2.42",
        wrong={**NO_MUSL, **on(ON_GLIBC, "needs GLIBC_2.42 (pthread_gettid_np)")},
    ),
    "musl": MadeLibrary(body='return puts("") < 0;', before="#include <stdio.h>\n", compiler=MUSL, wrong=NO_GLIBC),
    "no-libc": MadeLibrary(options=(*SHARED, "-nostdlib")),
    "no-libc-but-its-symbol": MadeLibrary(
        body="return rand();", before="#include <stdlib.h>\n", options=(*SHARED, "-nostdlib")
    ),
    # What the loader looks for
    "undefined": MadeLibrary(
        body=NEVER,
        options=(*SHARED, "-Wl,--no-as-needed", "-lc"),
        wrong={**NO_MUSL, **on(ON_GLIBC, "uses nothing_defines_this")},
    ),
    "undefined-musl": MadeLibrary(
        body='puts(""); ' + NEVER,
        before="#include <stdio.h>\n",
        compiler=MUSL,
        options=(*SHARED, "-Wl,-z,undefs"),
        wrong={**NO_GLIBC, "alpine": "uses nothing_defines_this"},
    ),
    "undefined-without-libc": MadeLibrary(
        body=NEVER, options=(*SHARED, "-nostdlib"), wrong=on(IMAGES, "uses nothing_defines_this")
    ),
    "undefined-with-an-underscore": MadeLibrary(
        body="extern int _nothing(void); return _nothing();",
        options=(*SHARED, "-nostdlib"),
        wrong=on(IMAGES, "uses _nothing"),
    ),
    "undefined-but-weak": MadeLibrary(
        body="extern int nothing(void) __attribute__((weak)); return nothing ? nothing() : 0;",
        options=(*SHARED, "-nostdlib"),
    ),
    "c++": MadeLibrary(
        source='#include <faas.h>\n#include <string>\nextern "C" {\n' + EXPORTS + HANDLER % "" + "}\n"
        "FAAS_EXPORT void use(std::string &text) { text.append(std::to_string(text.size())); throw 1; }\n",
        compiler="g++",
        wrong=on(("micro", "alpine", "al2023"), "needs libstdc++.so.6"),
    ),
    "c++-static": MadeLibrary(
        source='#include <faas.h>\n#include <stdexcept>\nextern "C" {\n' + EXPORTS + HANDLER % "" + "}\n"
        "FAAS_EXPORT void use(int which) { if (which) throw which; }\n",
        compiler="g++",
        options=(*SHARED, "-static-libstdc++", "-static-libgcc"),
        wrong={**NO_MUSL, "al2023": "needs GLIBC_2.3"},
    ),
    "c++-mangled": MadeLibrary(
        source="#include <faas.h>\nFAAS_EXPORT uint32_t faas_abi_version() { return 1; }\n"
        '__attribute__((visibility("default"))) int handle(int number) { return number; }\n',
        compiler="g++",
        options=(*SHARED, "-nostdlib"),
        wrong={ALL: "Runtime.HandlerNotFound"},
    ),
    "unwinder": MadeLibrary(
        body="return (int32_t)_Unwind_GetIP(0);",
        before="unsigned long _Unwind_GetIP(void *);\n",
        options=(*SHARED, "-nostdlib", "-lgcc_s"),
    ),
    "sanitized": MadeLibrary(
        options=(*SHARED, "-fsanitize=address", "-Wl,--no-as-needed", "-lc"),
        wrong={**NO_MUSL, **on(ON_GLIBC, "needs libasan.so")},
    ),
    "zlib": MadeLibrary(
        body="extern int inflate(void *, int); return inflate(0, 0) == 1000;",
        options=(*SHARED, "-nostdlib", "-l:libz.so.1"),
        before="",
        wrong=on(("alpine", "al2023"), "needs libz.so.1"),
    ),
    "missing": MadeLibrary(
        body=USES_OTHER,
        options=(*SHARED, "-nostdlib", "-l:libmissing.so.1"),
        wrong=on(IMAGES, "needs libmissing.so.1, which"),
    ),
    "beside": MadeLibrary(
        body=USES_OTHER,
        options=(*SHARED, "-nostdlib", "-l:libother.so", RPATH),
        change=another("libother.so"),
    ),
    "beside-without-rpath": MadeLibrary(
        body=USES_OTHER,
        options=(*SHARED, "-nostdlib", "-l:libother.so"),
        change=another("libother.so"),
        wrong=on(IMAGES, "needs libother.so, which is in its folder, where the loader does not look"),
    ),
    "beside-with-a-need": MadeLibrary(
        body=USES_OTHER,
        options=(*SHARED, "-nostdlib", "-l:libother.so", RPATH, "-Wl,--allow-shlib-undefined"),
        change=lambda path: with_a_need(path.parent),
        wrong=on(IMAGES, "libother.so, which is beside it, needs libmissing.so.1"),
    ),
    "beside-for-another-processor": MadeLibrary(
        body=USES_OTHER,
        options=(*SHARED, "-nostdlib", "-l:libother.so", RPATH),
        change=lambda path: for_arm(path.parent / "libother.so"),
        wrong=on(IMAGES, "libother.so, which is beside it, is built for aarch64"),
        x86_64="libother.so, which is beside it, is built for aarch64",
    ),
    # What loaders refuse
    "executable-stack": MadeLibrary(
        options=(*SHARED, "-nostdlib", "-Wl,-z,execstack"), wrong={"micro": "wants an executable stack"}
    ),
    "initial-exec": MadeLibrary(
        before="#include <faas.h>\n" + TLS.replace("SIZE", "16"),
        options=(*SHARED, "-nostdlib", "-ftls-model=initial-exec"),
        wrong={"alpine": "thread-local data of the model initial-exec"},
    ),
    "global-dynamic": MadeLibrary(
        before="#include <faas.h>\n" + TLS.replace("SIZE", "16"),
        options=(*SHARED, "-ftls-model=global-dynamic"),
        compiler=MUSL,
        wrong=NO_GLIBC,
    ),
    "relr": MadeLibrary(
        source="#include <faas.h>\nstatic uint32_t version = 1;\n"
        "FAAS_EXPORT uint32_t *place; uint32_t *place = &version;\n"
        + EXPORTS.replace("FAAS_ABI_VERSION", "*place")
        + HANDLER % "",
        options=(*SHARED, "-nostdlib", "-Wl,-z,pack-relative-relocs"),
        wrong={"al2023": "relocations in the form of DT_RELR"},
    ),
    "relr-with-libc": MadeLibrary(
        options=(*SHARED, "-Wl,-z,pack-relative-relocs", "-Wl,--no-as-needed", "-lc"),
        wrong={**NO_MUSL, "al2023": "needs GLIBC_ABI_DT_RELR"},
    ),
    "no-dlopen": MadeLibrary(options=(*SHARED, "-nostdlib", "-Wl,-z,nodlopen"), wrong=on(ON_GLIBC, "must not load")),
    # Processors
    "arm64": MadeLibrary(
        compiler="aarch64-linux-gnu.2.28",
        body='return puts("") < 0;',
        before="#include <stdio.h>\n",
        wrong=NO_MUSL,
        x86_64="built for aarch64",
        arm64="",
    ),
    "arm64-musl": MadeLibrary(
        compiler="aarch64-linux-musl",
        body='return puts("") < 0;',
        before="#include <stdio.h>\n",
        wrong=NO_GLIBC,
        x86_64="built for aarch64",
        arm64="",
    ),
    "arm64-big-endian": MadeLibrary(
        compiler="aarch64_be-linux-gnu",
        options=(*SHARED, "-nostdlib"),
        wrong=elsewhere("aarch64, big-endian"),
        x86_64="built for aarch64",
        arm64="big-endian",
    ),
    "x32": MadeLibrary(
        compiler="x86_64-linux-gnux32", options=(*SHARED, "-nostdlib"), wrong=elsewhere(X32), x86_64=X32
    ),
    **{
        name: MadeLibrary(
            compiler=target,
            options=(*SHARED, "-nostdlib"),
            wrong=elsewhere(machine),
            x86_64=f"built for {machine}",
            arm64=f"built for {machine}",
        )
        for name, target, machine in (
            ("arm", "arm-linux-gnueabihf", "arm"),
            ("riscv64", "riscv64-linux-gnu", "riscv64"),
            ("x86", "x86-linux-gnu", "x86"),
        )
    },
    # Other systems
    "windows": MadeLibrary(options=("-c",), change=windows, wrong={ALL: "another operating system (PE)"}),
    "macos": MadeLibrary(
        compiler="aarch64-macos", options=("-shared",), wrong={ALL: "another operating system (Mach-O)"}
    ),
    "freebsd": MadeLibrary(
        options=(*SHARED, "-nostdlib"), change=with_another_system, wrong={ALL: "built for another operating system"}
    ),
    # The ABI
    "no-version": MadeLibrary(
        source="#include <faas.h>\n" + HANDLER % "",
        options=(*SHARED, "-nostdlib"),
        wrong={ALL: "Runtime.AbiVersionMissing"},
    ),
    "no-handler": MadeLibrary(
        source="#include <faas.h>\n" + EXPORTS,
        options=(*SHARED, "-nostdlib"),
        wrong={ALL: "does not export the symbol handle"},
    ),
    "hidden-handler": MadeLibrary(
        source="#include <faas.h>\n" + EXPORTS + 'int __attribute__((visibility("hidden"))) handle(void);\n'
        "int handle(void) { return 0; }\n",
        options=(*SHARED, "-nostdlib"),
        wrong={ALL: "does not export the symbol handle"},
    ),
    # Complete or not
    "stripped": MadeLibrary(options=(*SHARED, "-nostdlib"), change=stripped),
    "without-sections": MadeLibrary(options=(*SHARED, "-nostdlib"), change=without_sections),
    "with-debugging-information": MadeLibrary(options=(*SHARED, "-nostdlib", "-g3")),
    "gnu-hash": MadeLibrary(options=(*SHARED, "-nostdlib", "-Wl,--hash-style=gnu"), change=without_sections),
    "old-hash": MadeLibrary(options=(*SHARED, "-nostdlib", "-Wl,--hash-style=sysv"), change=without_sections),
    "debugging-information-alone": MadeLibrary(
        options=(*SHARED, "-nostdlib", "-g"), change=debugging_information, wrong={ALL: "and no code"}
    ),
    "half": MadeLibrary(options=(*SHARED, "-nostdlib"), change=cut(), wrong={ALL: "it is cut off: it should have"}),
    "header": MadeLibrary(options=(*SHARED, "-nostdlib"), change=cut(50), wrong={ALL: "cut off within its headers"}),
    "empty": MadeLibrary(options=(*SHARED, "-nostdlib"), change=cut(0), wrong={ALL: "it is empty"}),
    "damaged": MadeLibrary(
        options=(*SHARED, "-nostdlib"), change=with_strange_dynamic_section, wrong={ALL: "Runtime.HandlerNotFound"}
    ),
    "program": MadeLibrary(
        source="int main(void) { return 0; }\n", options=("-pie", "-fPIE"), wrong={ALL: "it is a program"}
    ),
    "static-program": MadeLibrary(
        source="void _start(void) {}\n",
        options=("-static-pie", "-fPIE", "-nostdlib", "-nostartfiles"),
        wrong={ALL: "it is a program"},
    ),
    "object": MadeLibrary(options=("-c", "-fPIC"), wrong={ALL: "object file"}),
    "archive": MadeLibrary(options=("-c", "-fPIC"), change=static, wrong={ALL: "static library"}),
    "linker-script": MadeLibrary(options=("-c",), change=script, wrong={ALL: "not a shared library"}),
}


def libraries() -> Path:
    """A folder with a folder for each library, by its name."""
    files = (Path(__file__), Path(target_building.__file__), INCLUDE / "faas.h")
    key = key_of(*files, importlib.metadata.version("ziglang"), call(program("gcc"), "--version"))
    return kept("target-libraries", key, partial(target_building.make, libraries=LIBRARIES))
