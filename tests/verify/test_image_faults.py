"""One fault at a time in the entries or the settings of an image: its check turns red, and says which fault it is."""

from __future__ import annotations

import dataclasses
import io
import re
import tarfile
from typing import Any

import pytest

from ci.core import tars
from ci.core.errors import VerificationError
from ci.core.tars import Entry, FileTree
from ci.verify import image
from ci.verify.check import Check
from tests.verify.test_image import PAYLOAD, alpine, check, settings

__all__ = ["check"]

pytestmark = pytest.mark.mutant

BUNDLE = "etc/ssl/certs/ca-certificates.crt"
CAPABILITY = {"SCHILY.xattr.security.capability": "\x01\x00\x00\x02"}


def surrounded(check: Check) -> FileTree:
    """The entries of `alpine` with what functions read without saying so."""
    return tars.with_parents(
        {
            **alpine(check),
            BUNDLE: tars.file(b"-----BEGIN CERTIFICATE-----\n"),
            "etc/ssl/cert.pem": tars.link("certs/ca-certificates.crt"),
            "etc/services": tars.file(b"https 443/tcp\n"),
            "etc/protocols": tars.file(b"tcp 6 TCP\n"),
            "usr/share/zoneinfo/Europe/Berlin": tars.file(b"TZif2"),
        }
    )


def named(check: Check, said: str) -> str:
    """The pattern of a message that begins with the artefact."""
    return f"^{re.escape(check.output.path)}: {said}"


def test_an_image_without_a_fault_passes(check: Check) -> None:
    tree = surrounded(check)
    image._require_surroundings(check, tree)
    image._require_modes(check, tree)
    image._require_kinds(check, tars.pack(tree, 0), tree)


# From the fault to the path, what is there instead (None: nothing), and the file that the message names.
SURROUNDINGS: dict[str, tuple[str, Entry | None, str]] = {
    "a missing CA bundle": (BUNDLE, None, BUNDLE),
    "a CA bundle without a certificate": (BUNDLE, tars.file(b""), BUNDLE),
    "a CA bundle that leads nowhere": (BUNDLE, tars.link("../none"), BUNDLE),
    "no certificates where OpenSSL looks": ("etc/ssl/cert.pem", None, "etc/ssl/cert.pem"),
    "no names of services": ("etc/services", None, "etc/services"),
    "other names of services": ("etc/services", tars.file(b"ssh 22/tcp\n"), "etc/services"),
    "no names of protocols": ("etc/protocols", None, "etc/protocols"),
    "no time zones": ("usr/share/zoneinfo/Europe/Berlin", None, "usr/share/zoneinfo/Europe/Berlin"),
}


@pytest.mark.parametrize("fault", SURROUNDINGS)
def test_a_fault_in_the_surroundings(check: Check, fault: str) -> None:
    path, entry, named_file = SURROUNDINGS[fault]
    tree = surrounded(check)
    tree.pop(path)
    tree.update({path: entry} if entry else {})
    with pytest.raises(VerificationError, match=named(check, f"not true: {named_file} is there, with ")):
        image._require_surroundings(check, tree)


SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "a root user": ({"User": "0:0"}, r"settings: User: found '0:0', expected '65532:65532'"),
    "root by name": ({"User": "root"}, r"settings: User: found 'root', expected"),
    "no user": ({"User": None}, r"settings: User: found None, expected"),
    "a user in the group of root": ({"User": "65532:0"}, r"settings: User: found '65532:0', expected"),
    "another folder": ({"WorkingDir": "/"}, r"settings: WorkingDir: found '/', expected '/var/task'"),
    "a shell first": ({"Entrypoint": ["/bin/sh"]}, r"settings: Entrypoint: found \['/bin/sh'\]"),
    "another handler": ({"Cmd": ["other.handle"]}, r"settings: Cmd: found \['other\.handle'\]"),
    "a volume": ({"Volumes": {"/var": {}}}, r"kinds of settings: missing \[\], not expected \['Volumes'\]"),
    "a signal": ({"StopSignal": "KILL"}, r"kinds of settings: missing \[\], not expected \['StopSignal'\]"),
}


@pytest.mark.parametrize("fault", SETTINGS)
def test_a_fault_in_the_settings(check: Check, fault: str) -> None:
    changes, said = SETTINGS[fault]
    with pytest.raises(VerificationError, match=named(check, said)):
        image._require_settings(check, settings(check, **changes), "micro", "amd64")


@pytest.mark.parametrize(
    ("key", "value"), [("architecture", "arm64"), ("os", "windows"), ("created", "2026-11-24T00:00:00Z")]
)
def test_another_platform_or_time(check: Check, key: str, value: str) -> None:
    changed = {**settings(check), key: value}
    with pytest.raises(VerificationError, match=named(check, rf"architecture, system and time: found .*'{value}'")):
        image._require_settings(check, changed, "alpine", "amd64")


MODULE = f"{PAYLOAD}/faas_runtime/abi.py"
MODES: dict[str, tuple[str, dict[str, int], str]] = {
    "another owner": (MODULE, {"uid": 65532}, "files not of root: found"),
    "another group": (MODULE, {"gid": 65532}, "files not of root: found"),
    "a file for its group to write": (MODULE, {"mode": 0o664}, "files that not only root may write: found"),
    "a folder for all to write": ("etc", {"mode": 0o1777}, "files that not only root may write: found"),
    "a setuid bit": (MODULE, {"mode": 0o4755}, "set-id files: found"),
    "a setgid bit": (MODULE, {"mode": 0o2755}, "set-id files: found"),
}


@pytest.mark.parametrize("fault", MODES)
def test_a_fault_in_a_mode_or_an_owner(check: Check, fault: str) -> None:
    path, fields, said = MODES[fault]
    tree = surrounded(check)
    tree[path] = dataclasses.replace(tree[path], **fields)  # type: ignore[arg-type]
    with pytest.raises(VerificationError, match=named(check, rf"{said} \['{path}'\], expected \[\]")):
        image._require_modes(check, tree)


@pytest.mark.parametrize("path", ["tmp/build", "run/lock", "var/cache/apk/index", "var/log/build.log", "var/tmp/x"])
def test_a_file_that_the_build_has_left(check: Check, path: str) -> None:
    tree = {**surrounded(check), path: tars.file(b"")}
    with pytest.raises(VerificationError, match=named(check, rf"leftovers: found \['{path}'\]")):
        image._require_modes(check, tree)


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_a_device_or_a_pipe(check: Check, kind: bytes) -> None:
    tree = surrounded(check)
    layer = tars.pack({**tree, "dev/odd": Entry(kind=kind, mode=0o666)}, 0)
    with pytest.raises(VerificationError, match=named(check, r"devices and pipes: found \['dev/odd'\]")):
        image._require_kinds(check, layer, tars.read_bytes(layer))


def test_a_file_that_is_there_twice(check: Check) -> None:
    """Engines take the second one, and who reads the first one sees another image."""
    tree = surrounded(check)
    packed = io.BytesIO(tars.pack(tree, 0))
    with tarfile.open(fileobj=packed, mode="a") as archive:
        archive.addfile(tarfile.TarInfo(MODULE), io.BytesIO())
    layer = packed.getvalue()
    with pytest.raises(VerificationError, match=named(check, rf"number of entries: found {len(tree) + 1}, expected")):
        image._require_kinds(check, layer, tars.read_bytes(layer))


def test_a_file_with_capabilities(check: Check) -> None:
    tree = surrounded(check)
    program = "usr/bin/python3.12"
    tree[program] = dataclasses.replace(tree[program], attributes=CAPABILITY)
    layer = tars.pack(tree, 0)
    with pytest.raises(VerificationError, match=named(check, rf"files with capabilities: found \['{program}'\]")):
        image._require_kinds(check, layer, tars.read_bytes(layer))
