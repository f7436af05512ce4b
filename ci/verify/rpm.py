"""The RPMs and the source RPM, opened with rpm itself and installed into an empty root."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ci.core.errors import VerificationError
from ci.core.files import sha256_of
from ci.core.rpm_file import signed_parts
from ci.core.rpm_signature import require_signature
from ci.lint.checks import run_rpmlint
from ci.lint.findings import faults
from ci.manifest import dist_paths
from ci.pipeline.jobs import Verdict
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
# The first lines of scriptlets, as `rpm --scripts` prints them and as a spec has them. Some names differ.
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


def verify(check: Check) -> Verdict:
    """Verify the main package, the `-devel` package or the source package; a fault raises `VerificationError`."""
    if check.project.options.signed:
        _require_signature(check)
    else:
        check.run("rpm", "-K", "--nosignature", *_own_database(check), check.path)
    files = _require_header(check)
    if check.output.kind == "rpm":
        return _verify_main(check, files)
    if check.output.kind == "rpm-devel":
        return _verify_devel(check, files)
    return _verify_source(check, files)


def _require_signature(check: Check) -> None:
    """The committed key must have signed the package, and signing must have changed nothing but the signature."""
    require_signature(check.path, [_key(check)], check.run)
    unsigned = check.project.dist / dist_paths.unsigned(check.output.path)
    check.require_equal(signed_parts(check.path), signed_parts(unsigned), "header and payload of the unsigned package")


def _key(check: Check) -> Path:
    """The file with the public key that signs: the chosen one, or the first of the manifest."""
    keys, signing = check.project.release.keys.packages, check.project.options.signing
    wanted = [key for key in keys if signing is None or key.openpgp == signing.openpgp]
    if not wanted:
        name = signing.openpgp if signing else "that signs packages"
        raise VerificationError(
            f"{check.output.path}: release.yaml has no key {name}", hint="add it under keys.packages, see docs/keys.md"
        )
    return check.project.root / wanted[0].file


def _verify_main(check: Check, files: Mapping[str, _Listed]) -> Verdict:
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
    _require_scriptlets(check, _rendered_scriptlets(check))
    root = check.folder / "root"
    untried = _install(check, root)
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
    return Verdict(untried=untried)


def _verify_devel(check: Check, files: Mapping[str, _Listed]) -> Verdict:
    name = check.project.release.name
    licenses = f"/usr/share/licenses/{name}"
    expected = {"/usr/include/faas.h": _FILE, licenses: _FOLDER, f"{licenses}/LICENSE": _FILE}
    _require_files(check, files, expected)
    main = f"{name} = {check.project.release.version.rpm}"
    _require_relations(check, requires={main}, provides={_itself(check)})
    _require_scriptlets(check, [])
    root = check.folder / "root"
    untried = _install(check, root)
    header = root / "usr" / "include" / "faas.h"
    require_same_bytes(check, {"include/faas.h": header, "LICENSE": root / licenses.lstrip("/") / "LICENSE"})
    for language in ("c", "c++"):
        check.run(
            *("gcc", "-x", language, "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only"),
            *("-I", header.parent, "-"),
            stdin=b"#include <faas.h>\nuint32_t faas_abi_version(void) { return FAAS_ABI_VERSION; }\n",
        )
    return Verdict(untried=untried)


def _verify_source(check: Check, files: Mapping[str, _Listed]) -> Verdict:
    release = check.project.release
    spec = f"{release.name}.spec"
    _require_files(check, files, {spec: _FILE, release.sdist_name: _FILE})
    sdist_sha256 = sha256_of(check.project.sdist)
    check.require_equal(files[release.sdist_name].sha256, sdist_sha256, "sha256 of the source tarball")
    rendered = check.project.rendered / "specs" / spec
    check.require_equal(files[spec].sha256, sha256_of(rendered), "sha256 of the spec")
    # For a source package, rpm lists what its packages provide. That is not checked: it has no effect.
    _require_relations(check, requires=set(), provides=None)
    _require_scriptlets(check, [])
    return Verdict()


def _require_header(check: Check) -> dict[str, _Listed]:
    """Compare the header's tags with the manifest, and return its list of files."""
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
    """Compare the list of files with the modes expected. All belong to root and have the release's time."""
    check.require_same_set(set(files), set(modes), "files")
    check.require_equal({name: file.mode for name, file in files.items()}, dict(modes), "modes")
    check.require_equal({file.owner for file in files.values()}, {"root:root"}, "owners")
    check.require_equal({file.time for file in files.values()}, {str(check.project.release.epoch)}, "times")


def _itself(check: Check) -> str:
    release = check.project.release
    name = f"{release.name}-devel" if check.output.kind == "rpm-devel" else release.name
    return f"{name} = {release.version.rpm}-{release.rpm.release}"


def _require_relations(check: Check, *, requires: set[str], provides: set[str] | None) -> None:
    """Compare what the package requires (except of rpm itself) and provides (if given). It has no other relations."""
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
    """Compare the scriptlets and triggers with those expected: kind, interpreter, condition and text."""
    options = ("--nosignature", "-qp", "--scripts", "--triggers", "--filetriggers")
    printed = check.run.output("rpm", *_own_database(check), *options, check.path)
    rest, *parts = _PRINTED.split(printed)
    found = [
        (kind, interpreter, condition or "", text.strip())
        for kind, interpreter, condition, text in zip(*(parts[i::4] for i in range(4)), strict=True)
    ]
    kinds = [scriptlet[0] for scriptlet in expected]
    check.require_equal(sorted(one[0] for one in found), sorted(kinds), "kinds of scriptlets")
    check.require_equal(
        (rest.strip(), sorted(found)), ("", sorted(expected)), "scriptlets, compared with the rendered spec"
    )


def _rendered_scriptlets(check: Check) -> list[tuple[str, ...]]:
    """The scriptlets of the main package in the rendered spec; none of them names an interpreter."""
    spec = check.project.rendered / "specs" / f"{check.project.release.name}.spec"
    _, *parts = _SECTION.split(check.run.output("rpmspec", "-P", spec))
    return [
        (_NAMES.get(kind, kind), "/bin/sh", condition or "", text.strip())
        for kind, condition, text in zip(*(parts[i::3] for i in range(3)), strict=True)
        if _SCRIPTLET.fullmatch(kind)
    ]


def _require_no_findings(check: Check) -> None:
    """Run rpmlint over this release's packages. Each waiver for rpmlint that names no file must be needed here.

    Of signed packages, it reads what was signed: signatures are verified by rpm itself.
    """
    release = check.project.release
    waivers = [waiver for waiver in release.waivers if waiver.tool == "rpmlint"]
    paths = sorted((dist_paths.rpm(release), dist_paths.rpm_devel(release), dist_paths.srpm(release)))
    if check.project.options.signed:
        packages = [check.project.dist / dist_paths.unsigned(path) for path in paths]
    else:
        packages = [check.path if path == check.output.path else check.project.dist / path for path in paths]
    findings = run_rpmlint(check.run, release, *packages)
    lines = faults(findings, waivers, to_be_used=[waiver for waiver in waivers if not waiver.file])
    if lines:
        raise VerificationError(
            "\n".join(lines), hint="fix the template, or accept the finding in release.yaml, under waivers"
        )


def _install(check: Check, root: Path) -> tuple[str, ...]:
    """Install the package into an empty root and let rpm verify it there; only unpack it if this is not root.

    Return what was not tried.
    """
    root.mkdir()
    if os.geteuid() != 0:
        check.run("bsdtar", "-xf", check.path, "-C", root)
        return ("unpacked, not installed: rpm --root needs root",)
    in_root = ("rpm", "--root", root, "--dbpath", "/var/lib/rpm", "--nodeps", "--noscripts")
    check.run(*in_root, "--notriggers", "--nosignature", "-i", check.path)
    check.run(*in_root, "-Va")
    return ()


def _query(check: Check, form: str) -> str:
    return check.run.output("rpm", *_own_database(check), "--nosignature", "-qp", "--qf", form, check.path)


def _own_database(check: Check) -> tuple[str | Path, ...]:
    """Return the options that keep rpm away from the host's database."""
    return ("--dbpath", check.folder / "database")
