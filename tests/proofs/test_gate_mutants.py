"""Faults planted in packages, one at a time: the install gate or the upgrade gate must turn red and name each."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.core.errors import VerificationError
from ci.core.run import Runner
from ci.manifest import dist_paths
from ci.manifest.versions import Version
from ci.pipeline.jobs import Project
from ci.verify import in_root
from ci.verify.check import BuiltFunction
from tests.gates import run_job
from tests.packages.fixtures import _tools_of_the_environment, built, c_function, older, release
from tests.verify.conftest import Spoiling, spoiling

__all__ = ["_tools_of_the_environment", "built", "c_function", "older", "release", "spoiling"]

pytestmark = pytest.mark.long

SPEC, PKGBUILD = "specs/faas-runtime.spec", "msys2/PKGBUILD"
RPM, PACMAN = "install-rpm-bookworm", "install-msys2-ucrt64-bookworm"
REQUIRES = "Requires:       python3 >= 3.9\n"
TOUCH = "find %{buildroot} -exec"
HOOKS = '  chmod 644 "${hooks}"/*.hook\n'
INSTALLED = "  _install_hooks\n}\n"

IN_RPM = {
    "a dependency that nobody provides": (REQUIRES, f"{REQUIRES}Requires: no-such-thing\n", "no-such-thing"),
    "no dependency on Python": (REQUIRES, "AutoReq: no\n", "packages that dnf has installed: missing \\['python3'\\]"),
    "a set-id bit": (
        TOUCH,
        f"chmod 4755 %{{buildroot}}%{{payload}}/bin/faas-runtime\n{TOUCH}",
        "modes of files: .*4755",
    ),
    "a file for all to write": (
        TOUCH,
        f"chmod 666 %{{buildroot}}%{{code}}/abi.py\n{TOUCH}",
        "modes of files: .*abi.py 0666",
    ),
    "a file for root alone": (
        TOUCH,
        f"chmod 600 %{{buildroot}}%{{code}}/abi.py\n{TOUCH}",
        "modes of files: .*abi.py 0600",
    ),
    "another owner": (
        "%{_mandir}/man1/faas-runtime.1*",
        "%attr(-, games, root) %{_mandir}/man1/faas-runtime.1*",
        "games does not exist|belong to root",
    ),
    "a file of no package": ("%posttrans\n", "%posttrans\ntouch /usr/share/stray\n", "belong to no package: .*stray"),
    "a file of another package": (
        "%posttrans\n",
        "%posttrans\necho x >> /etc/hosts\n",
        "installation has changed: .*etc/hosts",
    ),
    "byte code that is left": (
        'if [ "$1" -eq 0 ]; then\n  rm -rf',
        'if [ "$1" -eq 0 ]; then\n  echo',
        "left after the removal: .*pyc",
    ),
    "a scriptlet that fails": ("%posttrans\n", "%posttrans\nexit 3\n", "scriptlet failed|does not install"),
    "no byte code": ("%{_bindir}/python3 -IS -m compileall", "true -IS -m compileall", "byte code: missing"),
    "byte code by time": ("--invalidation-mode checked-hash", "--invalidation-mode timestamp", "flags of .*pyc"),
    "another manual page": ("< man/faas-runtime.1", "< README.md", "manual page .* (is not rendered|is that of)"),
    "a header that does not compile": (
        TOUCH,
        f"echo '#error' >> %{{buildroot}}%{{_includedir}}/faas.h\n{TOUCH}",
        "compilation of .*faas.h failed",
    ),
    "a command that leads nowhere": (
        "ln -s ../lib/faas-runtime/bin",
        "ln -s ../lib/faas-runtime/sbin",
        "does not install and run",
    ),
    "a wrong answer": (
        TOUCH,
        f"sed -i 's/0\\.1\\.0/0.1.1/' %{{buildroot}}%{{code}}/_version.py\n{TOUCH}",
        "the output of --version: .*0.1.1",
    ),
}

IN_MSYS2 = {
    "a dependency that nobody provides": ('-python>=3.9")', '-python>=3.9" no-such-thing)', "no-such-thing"),
    "no dependency on Python": (
        'depends=("${MINGW_PACKAGE_PREFIX}-python>=3.9")',
        "depends=()",
        "pacman has installed: missing .*python",
    ),
    "a set-id bit": (
        INSTALLED,
        '  _install_hooks\n  chmod 4755 "${prefix}/bin/faas-runtime"\n}\n',
        "modes of files: .*4755",
    ),
    "a file for root alone": (
        INSTALLED,
        '  _install_hooks\n  chmod 600 "${prefix}/include/faas.h"\n}\n',
        "modes of files: .*0600",
    ),
    "byte code that is left": (
        "-name __pycache__ -prune -exec rm -rf {} +",
        "-name nothing",
        "left after the removal: .*pyc",
    ),
    "a hook that fails": ("-IS -m compileall", "-IS -m compileal", "failed to execute|byte code: missing"),
    "another manual page": (
        '  install -D -m 644 -t "${prefix}/share/man/man1" man/faas-runtime.1\n',
        '  install -D -m 644 README.md "${prefix}/share/man/man1/faas-runtime.1"\n',
        "manual page",
    ),
    "a script that starts nothing": (
        '../lib/faas-runtime/bin/faas-runtime" "$@"',
        '../lib/faas-runtime/faas-runtime" "$@"',
        "does not install and run",
    ),
}

ON_UPGRADE = {
    "a removal that does not ask what comes": (
        "upgrade-rpm-bullseye",
        SPEC,
        'if [ "$1" -eq 0 ]; then',
        "if true; then",
        "byte code",
    ),
    "byte code of an earlier Python": (
        "upgrade-rpm-bullseye",
        SPEC,
        "rm -rf %{byte_code}\n%{_bindir}",
        "%{_bindir}",
        "cpython-38",
    ),
    "a hook that ignores a new Python": (
        "upgrade-msys2-ucrt64-bookworm",
        PKGBUILD,
        "Target = ${code#/}/*\nTarget = ${MINGW_PREFIX#/}/bin/python.exe\n\n[Action]\nDescription = Removing",
        "Target = ${code#/}/*\n\n[Action]\nDescription = Removing",
        "cpython-38",
    ),
}


@pytest.mark.parametrize("fault", IN_RPM)
def test_in_the_rpm(spoiling: Spoiling, c_function: BuiltFunction, tmp_path: Path, fault: str) -> None:
    old, new, said = IN_RPM[fault]
    require_red(spoiling("rpm", SPEC, old, new), RPM, c_function, tmp_path, rf"(?s)noarch\.rpm: .*({said})")


@pytest.mark.parametrize("fault", IN_MSYS2)
def test_in_an_msys2_package(spoiling: Spoiling, c_function: BuiltFunction, tmp_path: Path, fault: str) -> None:
    old, new, said = IN_MSYS2[fault]
    require_red(spoiling("msys2", PKGBUILD, old, new), PACMAN, c_function, tmp_path, rf"(?s)pkg\.tar\.zst: .*({said})")


@pytest.mark.parametrize("fault", ON_UPGRADE)
def test_on_an_upgrade(
    spoiling: Spoiling, older: Project, c_function: BuiltFunction, tmp_path: Path, fault: str
) -> None:
    job, baked, old, new, said = ON_UPGRADE[fault]
    spoilt = spoiling("rpm" if baked == SPEC else "msys2", baked, old, new)
    require_red(spoilt, job, c_function, tmp_path, f"(?s)after the .*{said}", older)


def test_a_package_that_was_changed_while_the_good_one_is_in_the_cache(
    spoiling: Spoiling, c_function: BuiltFunction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a cache of its own, pacman takes the good one, and the changed one passes."""
    spoilt = spoiling("msys2", PKGBUILD, "license", "license")
    package = spoilt.dist / dist_paths.msys2(spoilt.release, "ucrt64")
    good, tree = package.read_bytes(), tmp_path / "tree"
    tree.mkdir()
    run = Runner(log=tmp_path / "log")
    run("bsdtar", "-xpf", package, "-C", tree)
    (tree / "ucrt64" / "include" / "faas.h").write_text("#error changed\n")
    names = sorted(one.name for one in tree.iterdir())
    run("bsdtar", "-caf", package, "--uid", "0", "--gid", "0", "-C", tree, *names)
    unpacked = in_root.unpack

    def with_a_warm_cache(*arguments: object) -> in_root.Root:
        root = unpacked(*arguments)  # type: ignore[arg-type]
        cache = root.folder / "var" / "cache" / "pacman" / "pkg"
        cache.mkdir(parents=True, exist_ok=True)
        (cache / package.name).write_bytes(good)
        return root

    monkeypatch.setattr("ci.verify.gate.unpack", with_a_warm_cache)
    require_red(spoilt, PACMAN, c_function, tmp_path, r"pkg\.tar\.zst: it does not install")


@pytest.mark.parametrize(
    ("job", "spelling"), [("upgrade-rpm-bullseye", "rpm"), ("upgrade-msys2-ucrt64-bookworm", "pacman")]
)
def test_a_spelling_with_another_order(
    spoiling: Spoiling,
    older: Project,
    c_function: BuiltFunction,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    job: str,
    spelling: str,
) -> None:
    builder, baked = ("rpm", SPEC) if spelling == "rpm" else ("msys2", PKGBUILD)
    project = spoiling(
        builder, baked, "license" if baked == PKGBUILD else "License", "license" if baked == PKGBUILD else "License"
    )
    monkeypatch.setattr(Version, spelling, property(str))
    require_red(project, job, c_function, tmp_path, "the first is not older than the second: .*dev1", older)


def require_red(
    project: Project, job: str, function: BuiltFunction, folder: Path, said: str, older: Project | None = None
) -> None:
    with pytest.raises(VerificationError, match=said):
        run_job(project, job, function, folder / "job", older)
