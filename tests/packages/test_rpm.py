"""The RPMs in a root: installed by dnf, upgraded and removed by rpm, with Python coming and going."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ci.builders import functions
from ci.builders.rpm import jobs
from ci.errors import CommandFailed
from ci.jobs import Output, Project, Workspace
from ci.run import Runner
from ci.verify import rpm as verify_rpm
from ci.verify.check import Check, Function
from tests.packages.support import main_rpm, open_project
from tests.support import ROOT

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
    assert {"loop", "emulator/command"} < modules(root)
    assert compiled(root) == {f"{name}.cpython-311.pyc" for name in modules(root)}
    for path in (root / CODE).rglob("__pycache__/*"):
        assert path.read_bytes()[4:8] == b"\x03\0\0\0", "checked by the source's hash"


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
    for name in ("__init__", "__main__"):
        assert re.search(rf"matches \S*/faas_runtime/{name}\.py", log)
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


@pytest.fixture(scope="module")
def c_function(built: Project, tmp_path_factory: pytest.TempPathFactory) -> Function:
    """The C function, built by the job that the snapshot has for it from the recipes of this checkout."""
    project = open_project(ROOT, built.dist, built.release)
    job = next(job for job in functions.jobs(project) if job.id == "function-c")
    folder = tmp_path_factory.mktemp("function")
    (folder / "out").mkdir()
    run = Runner(log=folder / "log")
    job.build(Workspace(project=project, job=job.id, folder=folder, out=folder / "out", run=run))
    return Function(language="c", library=folder / "out" / f"lib{functions.NAME}.so")


def check_of(project: Project, output: Output, folder: Path, *usable: Function) -> Check:
    folder.mkdir()
    return Check(
        project=project,
        output=output,
        path=project.dist / output.path,
        folder=folder,
        run=Runner(log=folder.with_suffix(".log")),
        functions=usable,
    )


@pytest.mark.parametrize("kind", ["rpm", "rpm-devel", "srpm"])
def test_verification_accepts_what_was_built(built: Project, c_function: Function, tmp_path: Path, kind: str) -> None:
    (output,) = (output for output in jobs(built)[0].outputs if output.kind == kind)
    assert verify_rpm.verify(check_of(built, output, tmp_path / "check", c_function)) is None


def test_verification_refuses_a_package_that_was_changed(built: Project, tmp_path: Path) -> None:
    spoilt = tmp_path / main_rpm(built).name
    data = bytearray(main_rpm(built).read_bytes())
    data[-40] ^= 1
    spoilt.write_bytes(data)
    output = Output(kind="rpm", path=f"rpm/{spoilt.name}")
    check = check_of(built, output, tmp_path / "check")
    with pytest.raises(CommandFailed, match=r"NOT OK|BAD"):
        verify_rpm.verify(Check(**{**vars(check), "path": spoilt}))
