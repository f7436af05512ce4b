"""RPMs signed by rpmsign with a throw-away key: the same bytes each time, and rpm itself tells others apart."""

from __future__ import annotations

import dataclasses
import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.builders import rpm
from ci.core import rpm_file
from ci.core.errors import VerificationError
from ci.core.rpm_signature import require_signature
from ci.core.run import Runner
from ci.manifest.release import Keys, PackageKey
from ci.pipeline.jobs import Job, Options, Project, Verdict
from ci.pipeline.plan import make_plan
from ci.prove import signatures
from ci.prove.rpm_contents import difference
from ci.verify import rpm as verify_rpm
from ci.verify.check import BuiltFunction
from tests.keys import SigningKeys, keys
from tests.packages.support import build, check_of, main_rpm

__all__ = ["keys"]

KEY_FILE = "ci/keys/packages.asc"
KINDS = ("rpm", "rpm-devel", "srpm")


def with_options(built: Project, dist: Path, options: Options) -> Project:
    """The project with a `dist/` of its own that has what RPMs are made from."""
    if not dist.exists():
        for name in ("sdist", "baked"):
            shutil.copytree(built.dist / name, dist / name)
    return dataclasses.replace(built, dist=dist, options=options)


@pytest.fixture(scope="module")
def signed(built: Project, keys: SigningKeys, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A checkout that has committed the key, and has built and signed its RPMs."""
    top = tmp_path_factory.mktemp("signed")
    checkout = top / "checkout"
    shutil.copytree(built.root, checkout, ignore=shutil.ignore_patterns("dist"))
    (checkout / KEY_FILE).parent.mkdir(parents=True)
    shutil.copyfile(keys.public, checkout / KEY_FILE)
    key = PackageKey(openpgp=keys.fingerprint, file=KEY_FILE, until=dt.date(2029, 1, 1))
    release = dataclasses.replace(built.release, keys=Keys(packages=(key,), attestations=()))
    project = dataclasses.replace(built, root=checkout, release=release)
    return build(with_options(project, top / "dist", Options(signing=keys.signing)), "rpm")


def outputs(project: Project) -> dict[str, Path]:
    """The packages by their kinds."""
    return {output.kind: project.dist / output.path for job in jobs_of(project) for output in job.outputs}


def jobs_of(project: Project) -> tuple[Job, ...]:
    return rpm.jobs(project.with_facts(rpm.probe(project)))


def unsigned(project: Project, path: Path) -> Path:
    return project.dist / "unsigned" / "rpm" / path.name


def test_the_signed_package_has_the_content_of_the_unsigned_one(signed: Project, built: Project) -> None:
    for path in map(outputs(signed).__getitem__, KINDS):
        before = unsigned(signed, path)
        assert rpm_file.is_signed(path)
        assert not rpm_file.is_signed(before)
        assert difference(path, before) == ""
        assert path.read_bytes() != before.read_bytes()
        assert before.read_bytes() == (built.dist / "rpm" / path.name).read_bytes()


def test_two_signings_give_the_same_bytes(signed: Project, keys: SigningKeys, tmp_path: Path) -> None:
    for path in map(outputs(signed).__getitem__, KINDS):
        again = tmp_path / path.name
        shutil.copyfile(unsigned(signed, path), again)
        keys.gpg(signed.release.epoch).sign_rpm(again, key=keys.fingerprint)
        assert again.read_bytes() == path.read_bytes()


def test_a_clone_that_has_no_key_gets_the_signatures_and_another_signs_anew(
    signed: Project, keys: SigningKeys, tmp_path: Path
) -> None:
    """What `reproduce` does with its two builds."""
    signatures.record(signed.dist, tmp_path / "signatures")
    plain, varied = tmp_path / "plain", tmp_path / "varied"
    build(with_options(signed, varied, Options(signatures=tmp_path / "signatures")), "rpm")
    shutil.copytree(varied, plain)
    for kind in KINDS:  # so that only what is signed anew can be right
        (plain / "rpm" / outputs(signed)[kind].name).write_bytes(b"")
    signatures.sign_again(signed, plain)
    for kind in KINDS:
        path = outputs(signed)[kind]
        assert (plain / "rpm" / path.name).read_bytes() == path.read_bytes()
        assert (varied / "rpm" / path.name).read_bytes() == path.read_bytes()
    without_key = dataclasses.replace(signed, options=Options(signatures=signed.dist / "rpm"))
    signatures.sign_again(without_key, tmp_path / "nothing is there")


def test_a_signed_dist_is_known_by_its_packages(signed: Project, built: Project) -> None:
    assert rpm.signatures_in(signed.dist, signed.release) == signed.dist / "rpm"
    assert rpm.signatures_in(built.dist, built.release) is None
    assert rpm.signatures_in(signed.dist / "nothing", built.release) is None


def test_without_a_recorded_signature_the_packages_are_unavailable(signed: Project, tmp_path: Path) -> None:
    apart = with_options(signed, tmp_path / "dist", Options(signatures=tmp_path))
    (_, job) = jobs_of(apart)
    assert job.unavailable.startswith("there is no signed /")


@pytest.mark.parametrize("kind", KINDS)
def test_verification_accepts_signed_packages(
    signed: Project, c_function: BuiltFunction, tmp_path: Path, kind: str
) -> None:
    check = check_of(signed, kind, outputs(signed)[kind], tmp_path / "check", c_function)
    assert verify_rpm.verify(check) == Verdict()


def _unsigned(signed: Project, path: Path) -> None:
    shutil.copyfile(unsigned(signed, path), path)


def _signature_of_another(signed: Project, path: Path) -> None:
    other = rpm_file.front(outputs(signed)["rpm-devel"])
    rpm_file.with_front(unsigned(signed, path), other, path)


def _changed(signed: Project, path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def _half(signed: Project, path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.fixture
def package(signed: Project, tmp_path: Path) -> Path:
    """A copy of the signed main package."""
    path = tmp_path / "rpm" / main_rpm(signed).name
    path.parent.mkdir()
    shutil.copyfile(main_rpm(signed), path)
    return path


@pytest.mark.parametrize("tamper", [_unsigned, _signature_of_another, _changed, _half])
def test_a_package_without_our_signature_is_refused(
    signed: Project, keys: SigningKeys, package: Path, tmp_path: Path, run: Runner, tamper: Callable[..., None]
) -> None:
    require_signature(package, [keys.public], run)
    tamper(signed, package)
    with pytest.raises(VerificationError, match="signature"):
        require_signature(package, [keys.public], run)
    with pytest.raises(VerificationError, match="signature"):
        verify_rpm.verify(check_of(signed, "rpm", package, tmp_path / "check"))


def test_a_signature_by_another_key_is_refused(
    signed: Project, keys: SigningKeys, package: Path, tmp_path: Path, run: Runner
) -> None:
    _unsigned(signed, package)
    keys.gpg(signed.release.epoch).sign_rpm(package, key=keys.stranger)
    require_signature(package, [keys.public, keys.stranger_public], run)
    with pytest.raises(VerificationError, match="no valid signature by our key"):
        verify_rpm.verify(check_of(signed, "rpm", package, tmp_path / "check"))


def test_a_signed_package_with_other_content_is_refused(signed: Project, keys: SigningKeys, tmp_path: Path) -> None:
    """It was signed by the right key, but it is not what was built."""
    path = tmp_path / "rpm" / outputs(signed)["rpm-devel"].name
    path.parent.mkdir()
    shutil.copyfile(outputs(signed)["rpm"], path)
    with pytest.raises(VerificationError, match="header and payload of the unsigned package"):
        verify_rpm.verify(check_of(signed, "rpm-devel", path, tmp_path / "check"))


def test_the_key_must_be_in_the_manifest(signed: Project, tmp_path: Path) -> None:
    release = dataclasses.replace(signed.release, keys=Keys(packages=(), attestations=()))
    project = dataclasses.replace(signed, release=release)
    with pytest.raises(VerificationError, match=r"release\.yaml has no key"):
        verify_rpm.verify(check_of(project, "rpm", main_rpm(signed), tmp_path / "check"))


def test_another_key_signs_again(signed: Project, keys: SigningKeys) -> None:
    def hash_of(project: Project) -> dict[str, str]:
        jobs = [dataclasses.replace(job, after=()) for job in jobs_of(project)]
        return {step.job.id: step.input_hash for step in make_plan(project, jobs)}

    assert signed.options.signing
    other = Options(signing=dataclasses.replace(signed.options.signing, openpgp=keys.stranger))
    elsewhere = Options(signing=dataclasses.replace(signed.options.signing, gnupg_home=Path("/elsewhere")))
    before, after = hash_of(signed), hash_of(dataclasses.replace(signed, options=other))
    assert before["rpm-unsigned"] == after["rpm-unsigned"]
    assert before["rpm"] != after["rpm"]
    assert before == hash_of(dataclasses.replace(signed, options=elsewhere))


def test_a_difference_is_named(signed: Project, tmp_path: Path) -> None:
    assert difference(main_rpm(signed), outputs(signed)["rpm-devel"]).startswith(
        "payload: unpacked: only in the first: "
    )
    changed = tmp_path / "changed.rpm"
    shutil.copyfile(main_rpm(signed), changed)
    _changed(signed, changed)
    assert difference(main_rpm(signed), changed)


@pytest.mark.parametrize("content", [b"", b"\xed\xab\xee\xdb", b"\xed\xab\xee\xdb" + bytes(200), b"x" * 5000])
def test_what_is_no_rpm_is_refused(tmp_path: Path, content: bytes, signed: Project) -> None:
    path = tmp_path / "file.rpm"
    path.write_bytes(content)
    with pytest.raises(VerificationError, match=r"file\.rpm"):
        difference(path, main_rpm(signed))
