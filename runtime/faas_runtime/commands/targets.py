"""What `--for` can name, and what a library finds there: the images, Lambda's OS-only runtime, and the processors.

`tests/images/test_targets.py` compares the table with the files of the images that can be built where the tests run.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

IMAGES = ("micro", "ubi", "alpine")
"""The targets that are images of the runtime, the default first."""
X86_64, AARCH64 = "x86_64", "aarch64"
BOTH = (X86_64, AARCH64)
GLIBC, MUSL = "glibc", "musl"

GLIBC_LIBRARIES = frozenset(
    (
        *("libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0", "libresolv.so.2", "librt.so.1", "libutil.so.1"),
        *("ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"),
    )
)
"""The libraries of glibc that are in each of our images."""
MUSL_LIBRARIES = frozenset(
    (
        *("libc.so", "ld-musl-x86_64.so.1", "ld-musl-aarch64.so.1"),
        *("libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"),
    )
)
UNWINDER = "libgcc_s.so.1"
CPLUSPLUS = "libstdc++.so.6"


class BuildTarget:
    """One target. A processor is a target of its own, with no C library: it says nothing of the rest."""

    def __init__(
        self,
        name: str,
        machines: "tuple[str, ...]",
        *,
        libc: str = "",
        newest: "Mapping[str, tuple[int, ...]] | None" = None,
        more_versions: "tuple[str, ...]" = (),
        libraries: "frozenset[str]" = frozenset(),
    ) -> None:
        self.name = name
        self.machines = machines
        """The processors, by their names in `binary.elf`."""
        self.libc = libc
        self.newest = newest or {}
        """The newest version of the symbols, by the text before it: {"GLIBC": (2, 34)} for GLIBC_2.34."""
        self.more_versions = more_versions
        """The versions without a number, such as GLIBC_ABI_DT_RELR."""
        self.libraries = libraries
        """The names by which the loader finds a library there."""

    @property
    def glibc(self) -> "tuple[int, ...]":
        """The version of glibc; empty if it is another C library."""
        return self.newest.get("GLIBC", ())

    @property
    def libc_title(self) -> str:
        """The C library and its version, such as "glibc 2.34"."""
        return f"{self.libc} {dotted(self.glibc)}" if self.glibc else self.libc


def dotted(version: "tuple[int, ...]") -> str:
    """A version as text."""
    return ".".join(map(str, version))


TARGETS = {
    target.name: target
    for target in (
        BuildTarget(  # Debian 13
            "micro",
            BOTH,
            libc=GLIBC,
            newest={"GLIBC": (2, 41), "GCC": (14, 0, 0)},
            more_versions=("GLIBC_ABI_DT_RELR", "GLIBC_ABI_DT_X86_64_PLT", "GLIBC_ABI_GNU2_TLS"),
            libraries=GLIBC_LIBRARIES | {UNWINDER, "libexpat.so.1", "libffi.so.8", "libz.so.1"},
        ),
        BuildTarget(  # EL 10, with what its Python and its package manager need
            "ubi",
            BOTH,
            libc=GLIBC,
            newest={"GLIBC": (2, 39), "GCC": (14, 0, 0), "GLIBCXX": (3, 4, 33), "CXXABI": (1, 3, 15)},
            more_versions=("GLIBC_ABI_DT_RELR",),
            libraries=GLIBC_LIBRARIES
            | {UNWINDER, CPLUSPLUS, "libmvec.so.1"}
            | {"libcrypto.so.3", "libexpat.so.1", "libffi.so.8", "libssl.so.3", "libz.so.1"},
        ),
        BuildTarget("alpine", BOTH, libc=MUSL, libraries=MUSL_LIBRARIES | {UNWINDER}),
        # Amazon Linux 2023, below Lambda's provided.al2023; of its libraries, those that other roots have as well.
        BuildTarget(
            "al2023",
            BOTH,
            libc=GLIBC,
            newest={"GLIBC": (2, 34), "GCC": (7, 0, 0)},
            libraries=GLIBC_LIBRARIES | {UNWINDER},
        ),
        BuildTarget("arm64", (AARCH64,)),
        BuildTarget("x86_64", (X86_64,)),
    )
}
