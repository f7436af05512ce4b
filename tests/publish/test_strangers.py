"""What a stranger could not try is said and counted, and what is healthy is no fault."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ci.commands import strangers
from ci.commands.strangers import Addresses, StrangerReport
from ci.core import tars, zips
from ci.core.architectures import host_name
from ci.core.console import Console
from ci.core.errors import HostError, ReleaseError, VerificationError
from ci.core.page_names import safe
from ci.core.run import Runner
from ci.core.tools import Toolbox
from ci.core.web import Web
from ci.images.lambda_layer import aws_name
from ci.manifest import dist_paths
from ci.manifest.reader import load
from ci.manifest.release import Release
from ci.manifest.versions import parse
from ci.pipeline.jobs import Options, Project
from ci.publish import stranger
from ci.publish.formula import version_of
from ci.publish.rehearse.server import Reply, Server
from ci.publish.rehearse.static import static_server
from ci.release import assemble
from ci.verify import in_pacman, published, roots
from ci.verify.published import Downloaded
from tests.packages.support import with_version
from tests.publish import tree_sets
from tests.support import ROOT, search_path

PACKAGE, VERSION = "mingw-w64-ucrt-x86_64-faas-runtime", "0.2.0-1"


@pytest.fixture
def release() -> Release:
    return with_version(load(ROOT / "release.yaml"), "0.2.0")


@pytest.fixture
def project(release: Release, tmp_path: Path) -> Project:
    dist = tmp_path / "dist"
    return Project(root=ROOT, dist=dist, release=release, toolbox=Toolbox(dist / "tools.json"), options=Options())


def look(project: Project, addresses: Addresses, folder: Path, no_root: str) -> dict[str, StrangerReport]:
    checks = strangers._checks(project, addresses, folder, Runner(log=folder / "log"), no_root)
    return {place: strangers._seen(place, check) for place, check in checks}


def test_a_mirror_that_is_down_is_no_fault_of_the_release(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "bin" / "mmdebstrap"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\n[ "$1" = --version ] && echo mmdebstrap 1.4 || { echo E: no mirror; exit 1; }\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setattr(roots, "probe", lambda project: roots.RootTools())
    project, why = strangers.with_root(project, Console())
    assert why == "Debian bookworm could not be fetched: E: no mirror"
    assert f"warning: dnf and pacman will not be tried: {why}" in capsys.readouterr().err
    seen = look(project, Addresses(page="", repositories="http://127.0.0.1:1"), tmp_path, why)
    assert seen == {"yum, pacman": StrangerReport("yum, pacman", f"not tried: {why}", tried=False)}


def test_a_missing_program_is_a_row(
    project: Project, release: Release, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    (downloads / safe(Path(dist_paths.image_index(release, "micro")).name)).touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    seen = look(project, Addresses(page="", repositories="", registry="127.0.0.1:1/x"), tmp_path, "no root")
    assert seen["image micro"].what.startswith("not tried: skopeo: not found on PATH")
    assert not seen["image micro"].tried
    (downloads / Path(dist_paths.crate(release)).name).touch()
    of_crates = Addresses(page="", repositories="", crates="http://127.0.0.1:1/index")
    assert look(project, of_crates, tmp_path, "no root")["crates"].what == "not tried: cargo is not installed"
    none = Addresses(page="", repositories="", no_registry="docker-registry is not installed")
    assert look(project, none, tmp_path, "no root")["images"].what == "not tried: docker-registry is not installed"


@pytest.mark.parametrize(("version", "is_right"), [("0.2.0", True), ("0.1.0", False)])
def test_the_layer_of_the_release_page_is_started(
    project: Project, release: Release, tmp_path: Path, version: str, is_right: bool
) -> None:
    """A shell script stands in for the layer."""
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    script = tars.file(f"#!/bin/sh\necho faas-runtime {version}\n".encode(), 0o755)
    name = Path(dist_paths.lambda_layer(release, aws_name(host_name()))).name
    (downloads / name).write_bytes(zips.pack({"bootstrap": script}, release.epoch))
    none = Addresses(page="", repositories="")
    if is_right:
        assert look(project, none, tmp_path, "no root")["layer"].what == "faas-runtime 0.2.0, by the layer, unpacked"
    else:
        with pytest.raises(VerificationError, match=r"the layer, unpacked: the command says 'faas-runtime 0\.1\.0'"):
            look(project, none, tmp_path, "no root")


def test_crates_that_cannot_be_had_are_a_row(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(search_path(tmp_path / "bin", without=("cargo",))))
    found, why = strangers.with_crates(project, Console())
    assert (found, why) == (None, "cargo: not found on PATH")
    assert f"warning: cargo will not be tried: {why}" in capsys.readouterr().err
    seen = look(project, Addresses(page="", repositories="", no_crates=why), tmp_path, "no root")
    assert seen["crates"] == StrangerReport("crates", f"not tried: {why}", tried=False)


def test_what_could_not_be_tried_ends_with_an_error_after_the_table(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        StrangerReport("release page", "all right"),
        StrangerReport("yum, pacman", "not tried: no root", tried=False),
    ]
    monkeypatch.setattr(strangers, "with_root", lambda project, console: (project, "no root"))
    monkeypatch.setattr(strangers, "look", lambda *_: iter(rows))
    with pytest.raises(HostError, match="could not be tried here: yum, pacman"):
        strangers.verify(project, Console(), "0.2.0")
    assert "not tried: no root" in capsys.readouterr().out
    rows.pop()
    strangers.verify(project, Console(), "0.2.0")


def test_a_pre_release_is_looked_for_where_candidates_are(release: Release) -> None:
    found = strangers.of_manifest(with_version(release, "0.2.0rc1"))
    assert found.page.endswith("/v0.2.0rc1")
    assert found.repositories == "https://faas-runtime.github.io/packages/testing"
    assert (found.pypi, found.crates, found.tap) == ("", "", "")
    final = strangers.of_manifest(release)
    assert final.repositories == "https://faas-runtime.github.io/packages"
    assert final.pypi
    assert final.crates == "https://index.crates.io/"
    assert final.tap


@pytest.mark.parametrize(("shown", "newer"), [("0.2.0rc2", True), ("0.2.0", True), ("0.2.0rc1", False)])
def test_an_older_candidate_is_no_fault(release: Release, tmp_path: Path, shown: str, newer: bool) -> None:
    """The tree of the next candidate takes its place, so its packages cannot be fetched there any more."""
    old = with_version(release, "0.2.0rc1")
    package, page, trees = b"a package", tmp_path / "page", tmp_path / "testing"
    made = tree_sets.make_set(trees, shown, files={f"faas-runtime-{shown}-1.rpm": package.decode()})
    a_page(page, package, "yum/faas-runtime-0.2.0rc1-1.rpm")
    with static_server(page) as files, static_server(made) as server, Web(name="download", say=print) as web:
        found = stranger.replaced(web, server.origin, old.version)
        assert {name: str(one) for name, one in found.items()} == ({"yum": shown} if newer else {})
        stranger.download(web, files.origin, server.origin, tmp_path / "fetched", without=found)
        if newer:
            with pytest.raises(VerificationError, match="it is not there"):
                stranger.download(web, files.origin, server.origin, tmp_path / "again")


def a_page(folder: Path, package: bytes, path: str) -> None:
    """A release page with one package, which is in a tree as well."""
    folder.mkdir()
    name, sha256 = Path(path).name, hashlib.sha256(package).hexdigest()
    files = {name: package, "artifacts.json": b'{"gates": []}', stranger.LISTING: f"{sha256}  {path}\n".encode()}
    lines = [f"{hashlib.sha256(data).hexdigest()}  {file}\n" for file, data in files.items()]
    files["SHA256SUMS"] = "".join(lines).encode()
    gates = ("provenance", "gate-verify", "gate-reproduce")
    nothing = ["SHA256SUMS.asc", *(f"{one}{end}" for one in gates for end in (".dsse.json", ".sigstore.json"))]
    for file, data in {**files, **dict.fromkeys(nothing, b"")}.items():
        (folder / file).write_bytes(data)


@pytest.mark.parametrize("name", ["SHA256SUMS", stranger.LISTING])
@pytest.mark.parametrize("data", [b"\x1f\x8b\xff junk", gzip.compress(b"x" * 99)], ids=["garbage", "compressed"])
def test_a_list_that_is_no_text_is_refused(tmp_path: Path, name: str, data: bytes) -> None:
    """Some servers and proxies compress what was asked for as it is."""
    page = tmp_path / "page"
    a_page(page, b"a package", "yum/faas-runtime-0.2.0-1.rpm")
    before = hashlib.sha256((page / name).read_bytes()).hexdigest()
    (page / name).write_bytes(data)
    if name != "SHA256SUMS":
        sums = page / "SHA256SUMS"
        sums.write_text(sums.read_text().replace(before, hashlib.sha256(data).hexdigest()))
    said = rf"http://\S+/{name}: it is no text: byte 2 is not UTF-8"
    with (
        static_server(page) as server,
        Web(name="download", say=print) as web,
        pytest.raises(VerificationError, match=said) as raised,
    ):
        stranger.download(web, server.origin, server.origin, tmp_path / "fetched")
    assert "look at the address by hand" in raised.value.hint


@pytest.mark.parametrize(
    ("reply", "said", "advice"),
    [
        (Reply(status=404), r"/verify\.py: it is not there for everybody \(404\)", "publish again"),
        (Reply(status=403), r"/verify\.py: it is not there for everybody \(403\)", "who has taken the file away"),
        (Reply(status=302, headers={"Location": "ftp://x"}), "redirects to what is no address", "look at the address"),
    ],
    ids=["gone", "forbidden", "elsewhere"],
)
def test_what_strangers_do_not_get_is_not_as_it_was_released(
    tmp_path: Path, reply: Reply, said: str, advice: str
) -> None:
    """No token is sent, so the advice is not about one."""
    sums = Reply(status=200, body=f"{'0' * 64}  verify.py\n".encode())
    with (
        Server(lambda request: sums if "SHA256SUMS" in request.path else reply) as server,
        Web(name="download", say=print) as web,
        pytest.raises(VerificationError, match=said) as raised,
    ):
        stranger.download(web, server.origin, server.origin, tmp_path / "fetched")
    assert advice in raised.value.hint
    assert "token" not in f"{raised.value} {raised.value.hint}"


@pytest.mark.parametrize(
    ("printed", "code", "kind", "said", "advice"),
    [
        ("wrong: SHA256SUMS.asc: no", 1, VerificationError, r"refuses it: verify\.py: wrong: SHA", "do not use this"),
        (
            "not checked: gpg is not installed",
            2,
            HostError,
            r"could not check it: verify\.py: not checked: gpg",
            "again",
        ),
    ],
    ids=["wrong", "not checked"],
)
def test_what_the_verifier_says_decides_the_code(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    printed: str, code: int, kind: type[ReleaseError], said: str, advice: str,
) -> None:  # fmt: skip
    program = tmp_path / "verify.py"
    program.write_text(f"import sys\nprint('verify.py: {printed}', file=sys.stderr)\nsys.exit({code})\n")
    monkeypatch.setattr(assemble, "_CONSUMER", program)
    with pytest.raises(kind, match=said) as raised:
        strangers._verified(project, tmp_path, Runner(log=tmp_path / "log"))
    assert advice in raised.value.hint


@pytest.mark.parametrize("no_root", ["", "no root"])
def test_what_the_trees_do_not_offer_any_more_is_not_installed(project: Project, tmp_path: Path, no_root: str) -> None:
    addresses = Addresses(page="", repositories="http://127.0.0.1:1")
    newer = dict.fromkeys(("yum", "pacman"), parse("0.3.0rc1"))
    checks = strangers._checks(project, addresses, tmp_path, Runner(log=tmp_path / "log"), no_root, newer)
    seen = [strangers._seen(place, check) for place, check in checks]
    assert seen == [StrangerReport(name, "the channel testing has 0.3.0rc1") for name in ("yum", "pacman")]
    checks = strangers._checks(
        project, addresses, tmp_path, Runner(log=tmp_path / "log"), "no root", {"yum": parse("1")}
    )
    assert [place for place, _ in checks] == ["yum", "pacman"]


def formula_of(version: str, more: str = "") -> str:
    return f'class FaasRuntime < Formula\n  url "https://example.org/faas_runtime-{version}.tar.gz"\n{more}end\n'


def a_tap(folder: Path, text: str) -> str:
    git = ("git", "-C", str(folder), "-c", "user.name=tap", "-c", "user.email=tap@example.org")
    (folder / "Formula").mkdir(parents=True)
    (folder / "Formula" / "faas-runtime.rb").write_text(text)
    for words in (("init", "--quiet", "--initial-branch=main"), ("add", "."), ("commit", "--quiet", "-m", "x")):
        subprocess.run([*git, *words], check=True)
    return f"file://{folder}"


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (formula_of("0.3.0"), ""),
        (formula_of("0.2.0", "  # another byte\n"), r"Formula/faas-runtime\.rb is not that of the release page"),
        (formula_of("0.1.0"), r"Formula/faas-runtime\.rb is not that of the release page"),
    ],
    ids=["newer", "other-bytes", "never-published"],
)
def test_a_newer_version_in_the_tap_is_no_fault(release: Release, tmp_path: Path, there: str, said: str) -> None:
    for name in ("page", "scratch"):
        (tmp_path / name).mkdir()
    (tmp_path / "page" / "faas-runtime.rb").write_text(formula_of("0.2.0"))
    found = Downloaded(
        release=release, folder=tmp_path / "page", scratch=tmp_path / "scratch", run=Runner(log=tmp_path / "log")
    )
    url = a_tap(tmp_path / "tap", there)
    if said:
        with pytest.raises(VerificationError, match=said):
            published.from_tap(found, url, "main", tmp_path, version_of)
    else:
        assert published.from_tap(found, url, "main", tmp_path, version_of) == "the tap has 0.3.0"


@dataclasses.dataclass
class ToyPacman:
    """A pacman that writes down what it is asked to do; its database lists one version."""

    listed: str
    done: list[tuple[str, ...]] = dataclasses.field(default_factory=list)

    def __call__(self, *words: str) -> None:
        self.done.append(words)

    def offered(self, package: str) -> str:
        return in_pacman.listed_version(f"Repository      : faas-runtime\nName : {package}\nVersion : {self.listed}\n")

    def compare(self, pairs: Sequence[tuple[str, str]]) -> list[int]:
        return [(one > two) - (one < two) for one, two in pairs]


def test_pacman_installs_by_name_what_its_database_lists() -> None:
    client: Any = ToyPacman(VERSION)
    assert published.install_listed(client, PACKAGE, VERSION, "http://x/file") == ""
    assert client.done == [("-Syy",), ("-S", PACKAGE)]
    newer: Any = ToyPacman("0.3.0-1")
    assert published.install_listed(newer, PACKAGE, VERSION, "http://x/file") == "0.3.0-1"
    assert newer.done == [("-Syy",), ("-U", "http://x/file")]
    older: Any = ToyPacman("0.1.0-1")
    with pytest.raises(VerificationError, match=r"the database has .* 0\.1\.0-1, and not 0\.2\.0-1"):
        published.install_listed(older, PACKAGE, VERSION, "http://x/file")
    assert older.done == [("-Syy",)]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("artifacts.json", b'{"gates": [{"gate": "../../x"}]}', "'../../x' is not the name of a gate"),
        ("artifacts.json", b'{"gates": 1}', "artifacts.json: it is damaged"),
        ("else.json", b"{}", "SHA256SUMS: it does not list artifacts.json"),
    ],
    ids=["name", "damaged", "unlisted"],
)
def test_what_a_page_names_does_not_become_a_path(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    page = tmp_path / "page"
    page.mkdir()
    (page / name).write_bytes(data)
    (page / "SHA256SUMS").write_text(f"{hashlib.sha256(data).hexdigest()}  {name}\n")
    (page / "SHA256SUMS.asc").touch()
    with (
        static_server(page) as server,
        Web(name="download", say=print) as web,
        pytest.raises(VerificationError, match=re.escape(said)),
    ):
        stranger.download(web, server.origin, server.origin, tmp_path / "fetched")
    assert {path.name for path in (tmp_path / "fetched").iterdir()} == {"SHA256SUMS", "SHA256SUMS.asc", name}
