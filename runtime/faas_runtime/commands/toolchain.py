"""The commands that build a project for a plan, with the tools that are installed.

Zig's compiler has the C libraries of Linux inside, in every version of glibc: it links for an old one and for another
processor. PyPI has it as `ziglang`, and `cargo-zigbuild` lets cargo use it.
"""

import os
import shutil
import subprocess

from ..errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .build_plan import BuildPlan

REPORT = "--message-format=json-render-diagnostics"
"""The option by which cargo writes to its standard output what it has built."""
_ZIGBUILD = "pip install cargo-zigbuild ziglang"
_CROSS_COMPILERS = {
    ("x86_64", "glibc"): "x86_64-linux-gnu-gcc",
    ("aarch64", "glibc"): "aarch64-linux-gnu-gcc",
    ("x86_64", "musl"): "x86_64-linux-musl-gcc",
    ("aarch64", "musl"): "aarch64-linux-musl-gcc",
}


class ToolCommand:
    """A command, its variables, the triple that cargo was given, and what the user should know before it runs."""

    def __init__(
        self, words: "list[str]", *, triple: str = "", variables: "dict[str, str] | None" = None, hint: str = ""
    ) -> None:
        self.words = words
        self.triple = triple
        self.variables = variables or {}
        self.hints = [hint] if hint else []


def cargo_command(plan: "BuildPlan", crate: str, *, is_debug: bool) -> ToolCommand:
    """How cargo builds a crate; raises UsageError if a tool or a part of Rust is not installed."""
    options = ["--package", crate, *([] if is_debug else ["--release"])]
    if plan.is_native:
        return ToolCommand(["cargo", "build", *options, REPORT])  # its settings may name another target
    _require_standard_library(plan.triple)
    options += ["--target", plan.triple + plan.version if plan.libc != "musl" else plan.triple]
    if plan.libc == "musl":  # a shared library needs a shared C library, which is not the default there
        options += ["--config", f'target.{plan.triple}.rustflags=["-C","target-feature=-crt-static"]']
    if shutil.which("cargo-zigbuild") and find_zig():
        return ToolCommand(["cargo", "zigbuild", *options], triple=plan.triple)
    words = ["cargo", "build", *(plan.triple if word.startswith(f"{plan.triple}.") else word for word in options)]
    compiler, hint = _without_zig(plan, _ZIGBUILD)
    name = f"CARGO_TARGET_{plan.triple.upper().replace('-', '_')}_LINKER"
    variables = {name: compiler} if compiler and name not in os.environ else {}
    return ToolCommand(words, triple=plan.triple, variables=variables, hint=hint)


def make_command(plan: "BuildPlan", *, is_debug: bool) -> ToolCommand:
    """How make builds a project with the variables CC and CFLAGS; raises UsageError if a tool is not installed.

    Everything is built again: make does not see that the compiler is another one than the last time.
    """
    words = ["make", "--always-make", *(["CFLAGS=-Og -g"] if is_debug else [])]
    if plan.is_native:
        return ToolCommand(words)
    zig = find_zig()
    if zig:
        libc = "musl" if plan.libc == "musl" else f"gnu{plan.version}"
        return ToolCommand([*words, f"CC={' '.join(zig)} cc -target {plan.machine}-linux-{libc}"])
    compiler, hint = _without_zig(plan, "pip install ziglang")
    return ToolCommand([*words, *([f"CC={compiler}"] if compiler else [])], hint=hint)


def find_zig() -> "list[str]":
    """The command that starts Zig: on PATH, or of a Python that has it; empty if none does."""
    zig = shutil.which("zig")
    if zig:
        return [zig]
    for name in ("python3", "python"):
        python = shutil.which(name)
        command = [python, "-m", "ziglang"] if python else []
        if command and not subprocess.call([*command, "version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
            return command
    return []


def _without_zig(plan: "BuildPlan", install: str) -> "tuple[str, str]":
    """The compiler that links instead, empty for the usual one, and a hint; raises UsageError if there is none."""
    if plan.is_own_machine and plan.libc == "glibc":
        wanted = plan.version.lstrip(".")
        return "", f"this system's compiler may need a newer glibc than {wanted}; for that one: {install}"
    compiler = _CROSS_COMPILERS[plan.machine, plan.libc]
    names = [compiler, *(["musl-gcc"] if plan.is_own_machine else [])]
    found = next(filter(shutil.which, names), None)
    if found is None:
        raise UsageError(f"no compiler for {plan.machine} with {plan.libc} is installed. Run: {install}")
    return found, ""


def _require_standard_library(triple: str) -> None:
    """Raise UsageError if Rust's standard library for a target is not installed."""
    rustc = shutil.which("rustc")
    if rustc is None:
        raise UsageError("rustc is not on PATH; install Rust")
    command = [rustc, "--print", "target-libdir", "--target", triple]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True)
    if done.returncode or not os.path.isdir(done.stdout.strip()):
        raise UsageError(f"Rust's standard library for {triple} is not installed. Run: rustup target add {triple}")
