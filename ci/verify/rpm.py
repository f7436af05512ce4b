"""The RPMs and the source RPM, opened with rpm itself and installed into an empty root."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ci.builders import rpm as builder
from ci.errors import VerificationError
from ci.files import sha256_of
from ci.findings import faults
from ci.lint import rpmlint
from ci.verify.check import Check, launcher, require_answers
from ci.verify.payload import LAUNCHER, payload_of, require_payload, require_same_bytes

_PAYLOAD = "/usr/lib/faas-runtime"
_FOLDER, _FILE, _PROGRAM, _LINK = "40755", "100644", "100755", "120777"
_TAGS = ("NAME", "VERSION", "RELEASE", "ARCH", "LICENSE", "SUMMARY", "URL", "VENDOR", "PACKAGER", "BUILDHOST")
_FILE_LINES = (
    r"[%{FILENAMES}\t%{FILEMODES:octal}\t%{FILEUSERNAME}:%{FILEGROUPNAME}\t%{FILEMTIMES}"
    r"\t%{FILELINKTOS}\t%{FILEDIGESTS}\n]"
)
_RELATIONS = ("REQUIRE", "PROVIDE", "CONFLICT", "OBSOLETE", "RECOMMEND", "SUGGEST", "SUPPLEMENT", "ENHANCE")
# As `rpm --scripts` and a spec head a scriptlet; rpm calls some of them otherwise than the spec does.
_PRINTED = re.compile(r"^(\w+) scriptlet \(using (.+?)\)(?::| -- (.+))$", re.MULTILINE)
_SECTION = re.compile(r"^%(\w+)(?: -- (.+))?(?: .*)?$", re.MULTILINE)
_SCRIPTLET = re.compile(r"(pre|post|verify|trigger|filetrigger|transfiletrigger)(?!p$)\w*")
_NAMES = {"pre": "preinstall", "post": "postinstall", "preun": "preuninstall", "postun": "postuninstall"}


@dataclass(frozen=True, kw_only=True)
class _Listed:
    """What an RPM's header says of one file."""

    mode: str
    owner: str
    time: str
    target: str
    sha256: str


def verify(check: Check) -> str | None:
    """Verify the main package, the `-devel` package or the source package; return a note on what was not tried."""
    check.run("rpm", "-K", "--nosignature", *_own_database(check), check.path)
    files = _require_header(check)
    if check.output.kind == "rpm":
        return _verify_main(check, files)
    if check.output.kind == "rpm-devel":
        return _verify_devel(check, files)
    _verify_source(check, files)
    return None


def _verify_main(check: Check, files: Mapping[str, _Listed]) -> str | None:
    name = check.project.release.name
    payload = payload_of(check)
    folders = {str(folder) for path in payload for folder in Path(path).parents}
    expected = {
        "/usr/bin/faas-runtime": _LINK,
        **{str(Path(_PAYLOAD, folder)): _FOLDER for folder in folders},
        **{f"{_PAYLOAD}/{path}": _PROGRAM if path == LAUNCHER else _FILE for path in payload},
        f"/usr/share/doc/{name}": _FOLDER,
        f"/usr/share/doc/{name}/README.md": _FILE,
        f"/usr/share/licenses/{name}": _FOLDER,
        f"/usr/share/licenses/{name}/LICENSE": _FILE,
        "/usr/share/man/man1/faas-runtime.1.gz": _FILE,
    }
    _require_files(check, files, expected)
    target = files["/usr/bin/faas-runtime"].target
    check.require_equal(target, f"../lib/faas-runtime/{LAUNCHER}", "target of the command")
    python = f"python3 >= {check.project.release.python}"
    _require_relations(check, requires={"/bin/sh", "/usr/bin/python3", "coreutils", python}, provides={_itself(check)})
    _require_scriptlets(check, _baked_scriptlets(check))
    root = check.folder / "root"
    note = _install(check, root)
    documents = root / "usr" / "share"
    beside = {
        "README.md": documents / "doc" / name / "README.md",
        "LICENSE": documents / "licenses" / name / "LICENSE",
        "man/faas-runtime.1": documents / "man" / "man1" / "faas-runtime.1.gz",
    }
    require_same_bytes(check, beside)
    require_payload(check, root / _PAYLOAD.lstrip("/"))
    _require_no_findings(check)
    require_answers(check, launcher(root / "usr" / "bin" / "faas-runtime"))
    return note


def _verify_devel(check: Check, files: Mapping[str, _Listed]) -> str | None:
    name = check.project.release.name
    licenses = f"/usr/share/licenses/{name}"
    expected = {"/usr/include/faas.h": _FILE, licenses: _FOLDER, f"{licenses}/LICENSE": _FILE}
    _require_files(check, files, expected)
    main = f"{name} = {check.project.release.version.rpm}"
    _require_relations(check, requires={main}, provides={_itself(check)})
    _require_scriptlets(check, [])
    root = check.folder / "root"
    note = _install(check, root)
    header = root / "usr" / "include" / "faas.h"
    require_same_bytes(check, {"include/faas.h": header, "LICENSE": root / licenses.lstrip("/") / "LICENSE"})
    for language in ("c", "c++"):
        check.run(
            *("gcc", "-x", language, "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only"),
            *("-I", header.parent, "-"),
            stdin=b"#include <faas.h>\nuint32_t faas_abi_version(void) { return FAAS_ABI_VERSION; }\n",
        )
    return note


def _verify_source(check: Check, files: Mapping[str, _Listed]) -> None:
    release = check.project.release
    spec = f"{release.name}.spec"
    _require_files(check, files, {spec: _FILE, release.sdist_name: _FILE})
    sdist = check.project.dist / "sdist" / release.sdist_name
    check.require_equal(files[release.sdist_name].sha256, sha256_of(sdist), "sha256 of the source tarball")
    baked = check.project.dist / "baked" / "specs" / spec
    check.require_equal(files[spec].sha256, sha256_of(baked), "sha256 of the spec")
    # rpm says of a source package what its packages provide; nothing comes of that.
    _require_relations(check, requires=set(), provides=None)
    _require_scriptlets(check, [])


def _require_header(check: Check) -> dict[str, _Listed]:
    """Hold the header's tags against the manifest, and return its list of files."""
    release = check.project.release
    text = _query(check, "".join(f"%{{{tag}}}\n" for tag in _TAGS) + _FILE_LINES)
    lines = text.splitlines()
    devel = check.output.kind == "rpm-devel"
    expected = {
        "NAME": f"{release.name}-devel" if devel else release.name,
        "VERSION": release.version.rpm,
        "RELEASE": str(release.rpm.release),
        "ARCH": "noarch",
        "LICENSE": release.license,
        "SUMMARY": lines[_TAGS.index("SUMMARY")] if devel else release.summary,
        "URL": release.home,
        "VENDOR": release.vendor,
        "PACKAGER": release.maintainer,
        "BUILDHOST": "reproducible",
    }
    check.require_equal(dict(zip(_TAGS, lines, strict=False)), expected, "header")
    files = {}
    for line in lines[len(_TAGS) :]:
        name, mode, owner, time, target, sha256 = line.split("\t")
        files[name] = _Listed(mode=mode, owner=owner, time=time, target=target, sha256=sha256)
    return files


def _require_files(check: Check, files: Mapping[str, _Listed], modes: Mapping[str, str]) -> None:
    """Hold the list of files against the modes expected; all belong to root and bear the release's time."""
    check.require_same_set(set(files), set(modes), "files")
    check.require_equal({name: file.mode for name, file in files.items()}, dict(modes), "modes")
    check.require_equal({file.owner for file in files.values()}, {"root:root"}, "owners")
    check.require_equal({file.time for file in files.values()}, {str(check.project.release.epoch)}, "times")


def _itself(check: Check) -> str:
    release = check.project.release
    name = f"{release.name}-devel" if check.output.kind == "rpm-devel" else release.name
    return f"{name} = {release.version.rpm}-{release.rpm.release}"


def _require_relations(check: Check, *, requires: set[str], provides: set[str] | None) -> None:
    """What the package requires (of rpm itself: anything) and provides (if told), and that it has no other relation."""
    form = "".join(f"[{kind} %{{{kind}NEVRS}}\n]" for kind in _RELATIONS)
    found: dict[str, set[str]] = {kind: set() for kind in _RELATIONS}
    for line in _query(check, form).splitlines():
        kind, _, relation = line.partition(" ")
        if not relation.startswith("rpmlib("):
            found[kind].add(relation)
    expected = {"REQUIRE": requires, "PROVIDE": found["PROVIDE"] if provides is None else provides}
    for kind in _RELATIONS:
        check.require_same_set(found[kind], expected.get(kind, set()), f"{kind.lower()}s")


def _require_scriptlets(check: Check, expected: list[tuple[str, ...]]) -> None:
    """The scriptlets and triggers, their interpreters and their very text."""
    options = ("--nosignature", "-qp", "--scripts", "--triggers", "--filetriggers")
    printed = check.run.output("rpm", *_own_database(check), *options, check.path)
    rest, *parts = _PRINTED.split(printed)
    found = [
        (kind, interpreter, condition or "", text.strip())
        for kind, interpreter, condition, text in zip(*(parts[i::4] for i in range(4)), strict=True)
    ]
    kinds = [scriptlet[0] for scriptlet in expected]
    check.require_equal(sorted(one[0] for one in found), sorted(kinds), "kinds of scriptlets")
    check.require_equal((rest.strip(), sorted(found)), ("", sorted(expected)), "scriptlets, against the baked spec")


def _baked_scriptlets(check: Check) -> list[tuple[str, ...]]:
    """The scriptlets of the main package in the baked spec; none of them names an interpreter."""
    baked = check.project.dist / "baked" / "specs" / f"{check.project.release.name}.spec"
    _, *parts = _SECTION.split(check.run.output("rpmspec", "-P", baked))
    return [
        (_NAMES.get(kind, kind), "/bin/sh", condition or "", text.strip())
        for kind, condition, text in zip(*(parts[i::3] for i in range(3)), strict=True)
        if _SCRIPTLET.fullmatch(kind)
    ]


def _require_no_findings(check: Check) -> None:
    """Run rpmlint over this release's packages; here its waivers that name no file must be of use."""
    waivers = [waiver for waiver in check.project.release.waivers if waiver.tool == "rpmlint"]
    (job,) = builder.jobs(check.project)
    paths = sorted(output.path for output in job.outputs)
    packages = [check.path if path == check.output.path else check.project.dist / path for path in paths]
    findings = rpmlint(check.run, check.project.release, *packages)
    lines = faults(findings, waivers, to_be_used=[waiver for waiver in waivers if not waiver.file])
    if lines:
        raise VerificationError("\n".join(lines), hint="mend the template, or accept it in release.yaml: waivers")


def _install(check: Check, root: Path) -> str | None:
    """Install the package into an empty root, and have rpm verify it there; without root's rights, unpack it."""
    root.mkdir()
    if os.geteuid() != 0:
        check.run("bsdtar", "-xf", check.path, "-C", root)
        return "unpacked, not installed: rpm --root needs root"
    in_root = ("rpm", "--root", root, "--dbpath", "/var/lib/rpm", "--nodeps", "--noscripts")
    check.run(*in_root, "--notriggers", "--nosignature", "-i", check.path)
    check.run(*in_root, "-Va")
    return None


def _query(check: Check, form: str) -> str:
    return check.run.output("rpm", *_own_database(check), "--nosignature", "-qp", "--qf", form, check.path)


def _own_database(check: Check) -> tuple[str | Path, ...]:
    """Return the options that keep rpm away from the host's database."""
    return ("--dbpath", check.folder / "database")
