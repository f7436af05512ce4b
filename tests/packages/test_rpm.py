"""The RPMs in a root: installed by dnf, upgraded and removed by rpm, with Python coming and going."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ci.builders.rpm import jobs, probe
from ci.core.errors import CommandFailed
from ci.core.run import Runner
from ci.pipeline.jobs import Project, Verdict
from ci.verify import rpm as verify_rpm
from ci.verify.check import BuiltFunction
from tests.packages.support import check_of, main_rpm

PYTHON_SPEC = """\
Name: python3
Version: {version}
Release: 1
Summary: Stand-in for a distribution's Python
License: none
BuildArch: noarch
AutoReqProv: no
Provides: coreutils
Provides: /bin/sh
%description
The interpreter is the root's own.
%install
mkdir -p %{{buildroot}}/usr/bin
ln -s python3.11 %{{buildroot}}/usr/bin/python3
%files
/usr/bin/python3
"""
CODE = Path("usr/lib/faas-runtime/faas_runtime")
START_FILE = "start.cpython-311"
DIGEST = CODE / "payload.sha256"


@pytest.fixture(scope="module")
def pythons(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Stand-ins for a distribution's python3 package in two versions."""
    top = tmp_path_factory.mktemp("python3")
    for version in ("3.11", "3.12"):
        spec = top / f"{version}.spec"
        spec.write_text(PYTHON_SPEC.format(version=version))
        Runner(log=top / "log")("rpmbuild", "-D", f"_topdir {top}", "-bb", spec)
    return sorted(top.glob("RPMS/noarch/*.rpm"))


def rpm(run: Runner, root: Path, *words: str | Path) -> str:
    """Run rpm on a root; Debian's own package says nothing of what rpm needs there."""
    return run.output("rpm", "--root", root, *words)


def modules(root: Path) -> set[str]:
    """The modules of the package and its subpackages; the recipes have templates alone."""
    found = {path.relative_to(root / CODE).as_posix() for path in (root / CODE).rglob("*.py")}
    return {name.removesuffix(".py") for name in found if not name.startswith("recipes/")}


def compiled(root: Path) -> set[str]:
    """What lies in the folders of byte code, by the module that it should be of."""
    found = [path.relative_to(root / CODE) for path in (root / CODE).rglob("__pycache__/*")]
    return {(path.parent.parent / path.name).as_posix() for path in found}


def require_compiled(root: Path) -> None:
    """Each module is compiled for the Python at hand, nothing else is, and Python accepts it without the clock."""
    assert {"serving", "commands/main", "emulator/cli", "sandbox/pool", "http_server/messages"} < modules(root)
    assert compiled(root) == {f"{name}.cpython-311.pyc" for name in modules(root)} | {START_FILE}
    for path in (root / CODE).rglob("__pycache__/*.pyc"):
        assert path.read_bytes()[4:8] == b"\x03\0\0\0", "checked by the source's hash"
    assert (root / DIGEST).read_bytes() in (root / CODE / "__pycache__" / START_FILE).read_bytes()


def test_dnf_installs_it_with_what_it_requires(
    built: Project, pythons: list[Path], stand_in_root: Path, tmp_path: Path, run: Runner
) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    for package in (main_rpm(built), pythons[0]):
        (repository / package.name).write_bytes(package.read_bytes())
    run("createrepo_c", "--quiet", repository)
    run(
        *("dnf", "-y", f"--installroot={stand_in_root}", "--releasever=1"),
        *(f"--setopt=cachedir={tmp_path / 'cache'}", f"--setopt=logdir={tmp_path}", "--setopt=gpgcheck=0"),
        *("--setopt=reposdir=/nonexistent", f"--repofrompath=local,file://{repository}"),
        *("install", built.release.name),
    )
    assert "python3-3.11-1.noarch" in rpm(run, stand_in_root, "-qa")
    require_compiled(stand_in_root)
    rpm(run, stand_in_root, "-V", built.release.name)
    version = run.output("chroot", stand_in_root, "/usr/bin/faas-runtime", "--version")
    assert version == f"faas-runtime {built.release.version}\n"


def test_byte_code_is_used_and_stays_as_it_is(
    built: Project, pythons: list[Path], stand_in_root: Path, run: Runner
) -> None:
    rpm(run, stand_in_root, "-i", pythons[0], main_rpm(built))
    before = {path: path.stat().st_mtime_ns for path in (stand_in_root / CODE).rglob("*")}
    verbose = ("python3", "-v", "-IS", "/usr/bin/faas-runtime", "--version")
    run("chroot", "--userspec=65534:65534", stand_in_root, *verbose)
    log = run.log.read_text()
    assert not re.search(r"import 'faas_runtime\.__main__'", log), "made of the file for every start"
    assert re.search(r"matches \S*/faas_runtime/commands/main\.py", log), "not needed at every start"
    assert {path: path.stat().st_mtime_ns for path in (stand_in_root / CODE).rglob("*")} == before


def test_an_upgrade_and_the_way_back_leave_the_new_modules_alone(
    built: Project, older: Project, pythons: list[Path], stand_in_root: Path, run: Runner
) -> None:
    rpm(run, stand_in_root, "-i", pythons[0], main_rpm(older))
    require_compiled(stand_in_root)
    assert {"gone", "emulator/gone", "past/__init__"} < modules(stand_in_root)
    rpm(run, stand_in_root, "-U", main_rpm(built))
    require_compiled(stand_in_root)
    assert not {"gone", "emulator/gone", "past/__init__"} & modules(stand_in_root)
    assert not (stand_in_root / CODE / "past").exists()
    rpm(run, stand_in_root, "-V", built.release.name)
    rpm(run, stand_in_root, "-U", "--oldpackage", main_rpm(older))
    require_compiled(stand_in_root)
    assert run.output("chroot", stand_in_root, "faas-runtime", "--version").split()[1] == str(older.release.version)


def test_another_python_is_compiled_for(built: Project, pythons: list[Path], stand_in_root: Path, run: Runner) -> None:
    rpm(run, stand_in_root, "-i", pythons[0], main_rpm(built))
    for path in (stand_in_root / CODE).rglob("__pycache__/*"):
        path.rename(path.with_name(path.name.replace("311", "310")))
    rpm(run, stand_in_root, "-U", pythons[1])
    require_compiled(stand_in_root)


def test_without_a_python_it_installs_and_one_that_comes_later_compiles(
    built: Project, pythons: list[Path], stand_in_root: Path, run: Runner
) -> None:
    rpm(run, stand_in_root, "-i", "--nodeps", main_rpm(built))
    assert compiled(stand_in_root) == set()
    rpm(run, stand_in_root, "-i", pythons[0])
    require_compiled(stand_in_root)


def test_without_the_file_for_every_start_it_runs_from_its_modules(
    built: Project, pythons: list[Path], stand_in_root: Path, run: Runner
) -> None:
    """A file of other sources, as after an upgrade whose trigger has failed, is as good as none."""
    rpm(run, stand_in_root, "-i", pythons[0], main_rpm(built))
    made = stand_in_root / CODE / "__pycache__" / START_FILE
    digest = (stand_in_root / DIGEST).read_bytes()
    made.write_bytes(made.read_bytes().replace(digest, b"0" * 64 + b"\n"))
    run("chroot", stand_in_root, "python3", "-v", "-IS", "/usr/bin/faas-runtime", "--version")
    log = run.log.read_text()
    assert re.search(r"import 'faas_runtime\.__main__' # <\S*SourceFileLoader", log)
    assert re.search(r"matches \S*/faas_runtime/__main__\.py", log)


def test_a_removal_leaves_nothing_behind(
    built: Project, older: Project, pythons: list[Path], stand_in_root: Path, run: Runner
) -> None:
    before = {path.relative_to(stand_in_root) for path in (stand_in_root / "usr").rglob("*")}
    rpm(run, stand_in_root, "-i", pythons[0], main_rpm(older))
    rpm(run, stand_in_root, "-U", main_rpm(built))
    rpm(run, stand_in_root, "-e", built.release.name, "python3")
    after = {path.relative_to(stand_in_root) for path in (stand_in_root / "usr").rglob("*")}
    # Debian's root has no such folders for documents and licences; rpm makes a package's own ones and their parents.
    assert {str(path) for path in after - before} <= {"usr/share/doc", "usr/share/licenses", "usr/share/man/man1"}


def test_the_source_package_gives_the_same_bytes(built: Project, tmp_path: Path, run: Runner) -> None:
    release = built.release
    source = built.dist / "rpm" / f"{release.name}-{release.version.rpm}-{release.rpm.release}.src.rpm"
    run("rpmbuild", "-D", f"_topdir {tmp_path}", "-D", "dist %{nil}", "--rebuild", source)
    (rebuilt,) = tmp_path.glob(f"RPMS/noarch/{release.name}-{release.version.rpm}-*.rpm")
    form = "[%{FILENAMES} %{FILEMODES} %{FILEDIGESTS} %{FILEMTIMES}\n]"
    listed = [run.output("rpm", "-qp", "--qf", form, package) for package in (main_rpm(built), rebuilt)]
    assert listed[0] == listed[1]


def test_a_stranger_builds_from_the_spec_alone(built: Project, tmp_path: Path, run: Runner) -> None:
    (tmp_path / "SOURCES").mkdir()
    name = built.release.sdist_name
    (tmp_path / "SOURCES" / name).write_bytes((built.dist / "sdist" / name).read_bytes())
    spec = built.dist / "baked" / "specs" / f"{built.release.name}.spec"
    run("rpmbuild", "-D", f"_topdir {tmp_path}", "-ba", spec)
    assert len(list(tmp_path.glob("*RPMS/**/*.rpm"))) == 3


@pytest.mark.parametrize("kind", ["rpm", "rpm-devel", "srpm"])
def test_verification_accepts_what_was_built(
    built: Project, c_function: BuiltFunction, tmp_path: Path, kind: str
) -> None:
    (output,) = (output for output in jobs(built.with_facts(probe(built)))[0].outputs if output.kind == kind)
    check = check_of(built, kind, built.dist / output.path, tmp_path / "check", c_function)
    assert verify_rpm.verify(check) == Verdict()


def test_verification_refuses_a_package_that_was_changed(built: Project, tmp_path: Path) -> None:
    spoilt = tmp_path / "rpm" / main_rpm(built).name
    spoilt.parent.mkdir()
    data = bytearray(main_rpm(built).read_bytes())
    data[-40] ^= 1
    spoilt.write_bytes(data)
    with pytest.raises(CommandFailed, match=r"NOT OK|BAD"):
        verify_rpm.verify(check_of(built, "rpm", spoilt, tmp_path / "check"))
