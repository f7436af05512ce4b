"""Preflight, in small checkouts: it lets a release pass, and finds every fault that is planted, all at once."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ci.core.console import Console
from ci.core.errors import PreflightError, UsageError
from ci.core.faults import Fault, hard
from ci.core.run import Runner
from ci.core.tools import Tool
from ci.pipeline.jobs import Job, Options, Output, Project, Variant
from ci.pipeline.plan import make_plan
from ci.release import preflight, preflight_inputs, preflight_seen, preflight_tree
from ci.release.preflight_keys import PrivateKeys
from tests.packages.support import open_project
from tests.release import signing, toys
from tests.release.signing import SignedCheckout, git, signed

__all__ = ["signed"]

TODAY = dt.date(2026, 11, 24)


def opened(checkout: Path, dist: Path, **options: object) -> tuple[Project, list[Job]]:
    """The project of a checkout, and the jobs that make artefacts which are always there."""
    project, sdist = signing.with_sdist(open_project(checkout, dist))
    return replace(project, options=Options(**options)), [sdist, toys.builds(project)[0]]  # type: ignore[arg-type]


def absent(kind: str, name: str, why: str, flavour: str = "") -> Job:
    output = Output(path=f"{kind}/{name}", kind=kind)
    return Job(
        id=name, builder=kind, outputs=(output,), build=lambda work: None, unavailable=why,
        variant=Variant(flavour=flavour),
    )  # fmt: skip


def test_a_release_that_can_be_made_passes(
    signed: SignedCheckout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project, jobs = opened(signed.checkout, tmp_path / "dist")
    assert preflight.faults(project, signed.private, jobs, today=TODAY) == []
    preflight.run(project, Console(), signed.private, jobs, today=TODAY)
    printed = capsys.readouterr()
    lines = dict(re.findall(r"(?m)^  (\S.*?)  +in order  +(\S.*)$", printed.out))
    assert list(lines) == list(preflight.CHECKS)
    commit = git(signed.checkout, "rev-parse", "HEAD")[:12]
    assert lines["tree and tag"] == f"v0.1.0 is at {commit}, and nothing is modified"
    assert re.fullmatch(
        r"packages-2026\.asc, RSA 4096, signs packages: ends in \d+ days, on \d{4}-\d\d-\d\d", lines["keys"]
    )
    assert re.search(r"(?m)^ +attestations-2026\.pub, Ed25519, signs attestations: does not end$", printed.out)
    assert re.match(r"registry.*ubi-minimal:10.*@sha256:[0-9a-f]{12}$", lines["bases"])
    assert lines["source hash"].startswith(project.release.source.sha256[:12])
    assert re.fullmatch(r"\d+, of which the first ends on 2027-11-30", lines["waivers"])
    assert lines["artefacts"] == "1 sdist, 1 wheel, 1 toy"
    assert max(map(len, printed.out.splitlines())) < 120
    assert "warning" not in printed.out + printed.err
    assert git(signed.checkout, "status", "--porcelain") == ""  # it has left nothing behind


def test_the_versions_of_tools_and_the_days_of_keys_are_shown(signed: SignedCheckout, tmp_path: Path) -> None:
    project, jobs = opened(signed.checkout, tmp_path / "dist")
    many = replace(jobs[1], id="tools", tools=tuple(Tool(name=name) for name in ("git", "gpg", "rpm")))
    lines = preflight_seen.tools(make_plan(project, [*jobs, many]))
    assert re.search(r"\bgit \d+\.\d+[\d.]*, gpg \d+\.\d+", " ".join(lines))
    run = Runner(log=tmp_path / "log")
    today, later = (preflight_seen.keys(project, TODAY + dt.timedelta(days=days), run)[0] for days in (0, 10))
    in_days = [int(re.search(r"in (\d+) days", line)[1]) for line in (today, later)]  # type: ignore[index]
    assert in_days[0] - in_days[1] == 10


def test_repositories_that_begin_anew_are_a_warning(signed: SignedCheckout, tmp_path: Path) -> None:
    checkout = signed.copy(tmp_path / "checkout")
    project, _ = opened(checkout, tmp_path / "dist")
    assert [*preflight_inputs.repositories(project, None)] == []
    git(checkout, "tag", "v0.0.9")
    (fault,) = preflight_inputs.repositories(project, None)
    assert fault.warning
    assert "without the packages of 0.0.9" in fault.what
    with pytest.raises(UsageError, match=r"yum: it has no tree\.json"):
        [*preflight_inputs.repositories(project, tmp_path)]


def test_every_fault_is_told_at_once_with_what_to_do(
    signed: SignedCheckout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout = signed.copy(tmp_path / "checkout")
    text = (checkout / "release.yaml").read_text()
    text = re.sub(r"(?m)^    digest: .*\n", "", text, count=1)  # of ubi
    text = re.sub(r'sha256: "[0-9a-f]{64}"', f'sha256: "{"1" * 64}"', text)
    text = text.replace('until: "2027-11-30"', 'until: "2026-11-23"', 1)
    (checkout / "release.yaml").write_text(text)
    git(checkout, "commit", "--quiet", "--all", "--message", "a change")
    (checkout / "specs" / "stray.spec").write_text("Generated from")
    (checkout / "ci" / "keys" / "packages-2026.asc").unlink()
    project, jobs = opened(checkout, tmp_path / "dist", bases={"alpine": "localhost/a:1"})
    tool = Tool(name="no-such-tool")
    jobs += [
        replace(jobs[1], id="needs-tool", outputs=(Output(path="toys/other.txt", kind="toy"),), tools=(tool,)),
        absent("image", "faas-ubi-arm64.tar", "no emulation here", "ubi"),
        replace(jobs[1], id="install-x", outputs=(), gate="install", title="x is installed", unavailable="no root"),
        replace(jobs[1], id="look-at-x", outputs=(), builder="verify", unavailable="no emulator"),
        replace(jobs[1], id="verify-nothing", outputs=(), unavailable="not a proof"),
    ]
    private = PrivateKeys(gnupg_home=tmp_path / "nothing", attestation=tmp_path / "nothing.pem")
    with pytest.raises(PreflightError) as raised:
        preflight.run(project, Console(), private, jobs, today=TODAY)
    told = str(raised.value)
    for what, todo in (
        ("the checkout: has changes that are not committed: ci/keys/packages-2026.asc, specs/stray.spec", "git stash"),
        (r"tag v0.1.0: is at commit [0-9a-f]{12}, and HEAD is at [0-9a-f]{12}", "git switch --detach v0.1.0"),
        ("the rendered files: are not what release.yaml gives: ", "nox -s bake"),
        ("no-such-tool: not found on PATH; needs-tool needs it", "install no-such-tool"),
        ("ci/keys/packages-2026.asc: cannot be read: No such file", "docs/keys.md"),
        (f"gpg's home {private.gnupg_home}: has no key {signed.openpgp.fingerprint}", "--gnupg-home"),
        (f"--attestation-key {private.attestation}: cannot be read: No such file", "docs/keys.md"),
        ("release.yaml: images.ubi: registry.*ubi-minimal:10.2 is not pinned", "nox -s pin"),
        ("source.sha256: is 1{64}, but the source tarball of this checkout has", "nox -s source-hash"),
        ("the waiver for rpmlint no-buildroot-tag in specs/faas-runtime.spec: ended on 2026-11-23", "set a later day"),
        ("faas-ubi-arm64.tar: cannot be made on this machine: no emulation here", "--allow-missing ubi"),
        ("x is installed: the gate install is not run: no root", "may_not_run"),
        ("look-at-x: the gate verify is not run: no emulator", "may_not_run"),
    ):
        assert re.search(f"(?m)^.*{what}.*\n  what to do: .*{todo}", told), f"{what}\n---\n{told}"
    assert "not a proof" not in told
    assert told.startswith(f"{told.count('what to do')} faults keep this release from being made")
    assert raised.value.exit_code == 19
    printed = capsys.readouterr()
    assert re.search(r"(?m)^  tree and tag +3 faults$", printed.out)  # and nothing that was seen
    assert re.search(r"(?m)^  bases +1 fault, 1 warning$", printed.out)
    assert "warning: --base alpine=localhost/a:1: is a stand-in" in printed.err
    assert "stand-in" not in told


Change = Callable[[Path, SignedCheckout], object]


def no_tag(root: Path, signed: SignedCheckout) -> None:
    git(root, "tag", "-d", signing.TAG)


def light_tag(root: Path, signed: SignedCheckout) -> None:
    git(root, "update-ref", f"refs/tags/{signing.TAG}", "HEAD")


def no_signature(root: Path, signed: SignedCheckout) -> None:
    git(root, "tag", "--force", "--annotate", "--no-sign", "--message=x", signing.TAG)


def a_strangers_signature(root: Path, signed: SignedCheckout) -> None:
    signing.tag(root, signed.openpgp, signed.openpgp.stranger)


def a_new_file(root: Path, signed: SignedCheckout) -> None:
    (root / "new").touch()


def a_commit_since(root: Path, signed: SignedCheckout) -> None:
    signing.commit(root)


def no_git(root: Path, signed: SignedCheckout) -> None:
    shutil.rmtree(root / ".git")


IN_THE_TREE: tuple[tuple[Change, str, str], ...] = (
    (no_tag, "tag v0.1.0: does not exist", "nox -s bump -- 0.1.0"),
    (light_tag, "is not annotated", "git tag -d v0.1.0"),
    (no_signature, "is not signed", "nox -s bump"),
    (a_strangers_signature, "is by no key that release.yaml lists", "signed by a key of the list"),
    (a_new_file, "not committed: new", "git stash"),
    (a_commit_since, "and HEAD is at", "git switch --detach v0.1.0"),
    (no_git, "is not a git checkout", "clone"),
)


@pytest.mark.parametrize(("change", "what", "todo"), IN_THE_TREE)
def test_a_fault_of_the_tree(signed: SignedCheckout, tmp_path: Path, change: Change, what: str, todo: str) -> None:
    checkout = signed.copy(tmp_path / "checkout")
    change(checkout, signed)
    project = open_project(checkout, tmp_path / "dist")
    (fault,) = preflight_tree.faults(project, TODAY, Runner(log=tmp_path / "log"))
    assert what in str(fault)
    assert todo in fault.advice


def test_a_date_that_has_not_come(signed: SignedCheckout, tmp_path: Path) -> None:
    project = open_project(signed.checkout, tmp_path / "dist")
    (fault,) = preflight_tree.faults(project, dt.date(2026, 11, 22), Runner(log=tmp_path / "log"))
    assert "2026-11-23 is after today, 2026-11-22" in fault.what


def test_a_hash_of_zeros_is_no_release(signed: SignedCheckout, tmp_path: Path) -> None:
    project = open_project(signed.checkout, tmp_path / "dist")
    project = replace(project, release=project.release.with_source_sha256("0" * 64))
    (fault,) = preflight_inputs.source_hash(project)
    assert fault.what == "is zeros, which mean that it is not published"


def availability(signed: SignedCheckout, tmp_path: Path, jobs: Sequence[Job], allow: Sequence[str]) -> list[Fault]:
    project, ours = opened(signed.checkout, tmp_path / "dist")
    return list(preflight_inputs.availability(project, make_plan(project, [*ours, *jobs]), allow))


def test_what_may_be_missing_is_named_by_kind_or_flavour(signed: SignedCheckout, tmp_path: Path) -> None:
    jobs = [absent("image", "f-ubi-arm64.tar", "no base", "ubi"), absent("formula", "f.rb", "no ruby")]
    jobs += [replace(jobs[0], id="check", outputs=(), unavailable="", after=("f-ubi-arm64.tar",), gate="install")]
    jobs += [absent("sbom", "f-ubi-arm64.tar.spdx.json", "its artefact is missing")]
    both = availability(signed, tmp_path, jobs, [])
    assert [fault.where for fault in both] == ["f-ubi-arm64.tar", "f.rb", "f-ubi-arm64.tar.spdx.json"]
    assert [fault.where for fault in availability(signed, tmp_path, jobs, ["ubi"])] == ["f.rb"]
    assert [fault.where for fault in availability(signed, tmp_path, jobs, ["image"])] == ["f.rb"]
    assert availability(signed, tmp_path, jobs, ["ubi", "formula"]) == []
    (unused,) = availability(signed, tmp_path, jobs, ["ubi", "formula", "micro"])
    assert (unused.where, unused.warning) == ("--allow-missing micro", True)
    assert hard([unused]) == []


def test_what_may_not_run_is_in_the_manifest(signed: SignedCheckout, tmp_path: Path) -> None:
    accepted = open_project(signed.checkout, tmp_path / "dist").release.may_not_run[0]
    job = replace(absent("", "arm", f"images: {accepted.contains}"), outputs=(), gate=accepted.gate)
    assert availability(signed, tmp_path, [job], []) == []
    (fault,) = availability(signed, tmp_path, [replace(job, gate="upgrade")], [])
    assert "gate: upgrade" in fault.advice


def test_an_unknown_name_is_wrong_usage(signed: SignedCheckout, tmp_path: Path) -> None:
    project, jobs = opened(signed.checkout, tmp_path / "dist")
    with pytest.raises(UsageError, match="--allow-missing apline: neither") as raised:
        preflight.faults(project, signed.private, jobs, allow_missing=["ubi", "apline"], today=TODAY)
    assert "alpine" in raised.value.hint
