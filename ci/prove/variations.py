"""What is different in the second build, how each difference is made, and how one sees that it was in effect.

A difference counts as varied only if a process in each build has seen another value (`ci.prove.observe`). What cannot
be made on this machine, or had no effect, is listed with the reason.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CLOCK_SHIFT = 400 * 24 * 3600
USER = 4321
USER_NAME = "elsewhere"
HOST_NAME = "another-host"
UMASK = 0o077
LOCALE = "tr_TR.UTF-8"
TIME_ZONE = "Pacific/Auckland"
# What a developer may have set: flags and options that tools read without being asked.
VARIABLES = {
    "CFLAGS": "-O0 -g3",
    "LDFLAGS": "-Wl,-O1",
    "MAKEFLAGS": "-j7",
    "GZIP": "-1",
    "XZ_OPT": "-0",
    "ZSTD_CLEVEL": "1",
    "TAR_OPTIONS": "--owner=nobody",
    "PYTHONHASHSEED": "7",
    "RPM_PACKAGER": "someone",
    "PACKAGER": "Someone <someone@example.org>",
    "MAKEPKG_CONF": "/nonexistent",
    "BUILDAH_FORMAT": "docker",
}


@dataclass(frozen=True, kw_only=True)
class Variation:
    """One difference: `means` are the programs and rights that it needs, `limits` what it does not reach."""

    name: str
    what: str
    programs: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    needs_root: bool = False
    limits: str = ""

    def why_not(self) -> str:
        """Why it cannot be made on this machine; empty if it can."""
        if self.needs_root and os.geteuid() != 0:
            return "it needs root: a mount namespace of its own"
        for program in self.programs:
            if shutil.which(program) is None:
                return f"{program}: not found on PATH"
        for device in self.devices:
            if not Path(device).exists():
                return f"{device} is not there"
        if self.name == "processors" and len(os.sched_getaffinity(0)) < _TWO:
            return "this machine has one processor"
        return ""


_TWO = 2

VARIATIONS = (
    Variation(name="path", what="the clone is in another folder, with a longer name that has a space in it"),
    Variation(
        name="clock",
        what="400 days later, by a preloaded library that answers for the C library",
        programs=("gcc",),
        needs_root=True,
        limits="programs that do not ask the C library keep the right time: those written in Go (buildah, skopeo)",
    ),
    Variation(name="time zone", what=f"TZ={TIME_ZONE}"),
    Variation(name="locale", what=f"LC_ALL={LOCALE}, made by localedef", programs=("localedef",), needs_root=True),
    Variation(name="umask", what=f"{UMASK:04o}"),
    Variation(
        name="user",
        what=f"user {USER} without privileges, in a mount namespace with its own /var/tmp and /etc",
        programs=("setpriv", "newuidmap"),
        needs_root=True,
    ),
    Variation(name="home", what="another HOME, with settings for rpm, makepkg and git in it"),
    Variation(name="host name", what=f"{HOST_NAME}, in a UTS namespace", programs=("unshare",), needs_root=True),
    Variation(name="processors", what="one, by taskset", programs=("taskset",)),
    Variation(
        name="directory order",
        what="sorted and reversed, by disorderfs",
        programs=("disorderfs",),
        devices=("/dev/fuse",),
        needs_root=True,
        limits="not below /tmp, where Debian roots are unpacked and images are stored",
    ),
    Variation(name="environment", what=f"{', '.join(sorted(VARIABLES))} are set"),
)

# What both builds share on purpose, or because one machine cannot vary it.
NEVER_VARIED: Mapping[str, str] = {
    "inputs": "both builds take the packages, base images and tools of dist/inputs.json",
    "kernel": "both builds run on this machine's",
    "architecture": "both builds run on this machine's processor",
    "kind of file system": "both builds write to the one that holds dist/",
}


@dataclass(frozen=True, kw_only=True)
class VariationOutcome:
    """How a variation turned out: the values that a process in each build has seen, or why it was not varied."""

    variation: Variation
    plain: str = ""
    varied: str = ""
    why_not: str = ""


def applicable() -> tuple[str, ...]:
    """The names of the variations that can be made on this machine."""
    return tuple(one.name for one in VARIATIONS if not one.why_not())


# What the plain build has seen of these says something of the machine, and nothing of the release.
_OF_THE_MACHINE = ("clock", "home", "host name", "processors", "directory order")


def judge(plain: Mapping[str, object], varied: Mapping[str, object]) -> list[VariationOutcome]:
    """For each variation, whether the two builds have seen different values."""
    return [_judge(one, plain.get(one.name), varied.get(one.name)) for one in VARIATIONS]


def _judge(variation: Variation, plain: object, varied: object) -> VariationOutcome:
    if reason := variation.why_not():
        return VariationOutcome(variation=variation, why_not=reason)
    differs = plain != varied
    if variation.name == "clock" and isinstance(plain, int) and isinstance(varied, int):
        shift = varied - plain
        differs = shift > CLOCK_SHIFT // 2
        varied = f"{round(shift / 86400)} days later"
    # Without the machine's own values: the verdict is part of a release, of which two must be the same.
    seen = "this machine's" if variation.name in _OF_THE_MACHINE else str(plain)
    if not differs:
        return VariationOutcome(variation=variation, why_not=f"it had no effect: both builds have seen {seen}")
    return VariationOutcome(variation=variation, plain=seen, varied=str(varied))
