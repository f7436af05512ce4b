"""No text of the manifest becomes code: each attempt goes through the real tools, and is read back as it was."""

from __future__ import annotations

import dataclasses
import json
import re
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.bake import quoting
from ci.bake.render import bake
from ci.builders.msys2 import environment_variables, give_to_user, prepare, unprivileged
from ci.builders.rpm import definitions
from ci.core.errors import ManifestError
from ci.core.run import Runner
from ci.manifest.msys2 import ENVIRONMENTS
from ci.manifest.release import Release
from tests.support import ROOT

# MARK stands for a file that must not come into being.
ATTEMPTS = {
    "rpm-shell": "%(touch MARK)",
    "rpm-lua": "%{lua:io.open('MARK','w')}",
    "rpm-expand": "%{expand:%(touch MARK)}",
    "rpm-escaped": "%%(touch MARK) %%%(touch MARK)",
    "rpm-define": "%define x %(touch MARK)",
    "rpm-global": "x %global _topdir /tmp",
    "rpm-section": "x %install touch MARK",
    "rpm-bracket": "%[1 + 1] %{?dist} %name",
    "rpm-entry": "* Mon Jan 01 2024 x - 1",
    "ruby-backtick": "#{`touch MARK`}",
    "ruby-system": 'x #{system("touch MARK")} #$0 #@x',
    "ruby-escape": "\\#{`touch MARK`} \\u0041 \\",
    "shell-backtick": "`touch MARK`",
    "shell-dollar": "$(touch MARK) ${HOME} $HOME",
    "shell-single": "'; touch MARK; '",
    "shell-double": '"; touch MARK; "',
    "shell-both": "a'b\"c'd\"",
    "shell-operators": "&& touch MARK | touch MARK; touch MARK > MARK",
    "shell-glob": "* ? [a-z] ~ !x",
    "array-end": "') touch MARK (' )",
    "backslash": "\\",
    "backslashes": "\\\\ \\n \\x41 \\",
    "here-document": "EOF",
    "here-document-end": "END",
    "comment": "x # y",
    "brackets": "]] ]]> }}",
    "jinja": "{{ 7 * 7 }} {% raw %} {# x #}",
    "dash": "x --option -x",
    "unicode": "Grüße 日本語 € ß",
}
NAMES = sorted(ATTEMPTS)


@pytest.fixture(scope="module")
def mark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that an attempt would make."""
    return tmp_path_factory.mktemp("mark") / "mark"


def text_of(name: str, mark: Path) -> str:
    return ATTEMPTS[name].replace("MARK", str(mark))


def spoilt(release: Release, text: str) -> Release:
    """A release that says the text wherever a person may write one."""
    person = f"x {text}" if text.startswith("%") else text
    entry = dataclasses.replace(release.changelog[0], lines=(text, f"Added: {text}"))
    return dataclasses.replace(
        release,
        summary=text,
        description=f"Runs it. {text} " * 4 + "End.",
        vendor=person,
        maintainer=person,
        changelog=(entry,),
    )


def words(text: str) -> list[str]:
    return text.split()


@pytest.fixture(scope="module")
def baked(
    request: pytest.FixtureRequest, release: Release, mark: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Release, Path]:
    """The packaging files of a release that says the attempt everywhere, once for all tools that read them."""
    mark.unlink(missing_ok=True)
    attempt = spoilt(release, text_of(request.param, mark))
    target = tmp_path_factory.mktemp("attempt") / "baked"
    bake(ROOT, attempt, target)
    return attempt, target


@pytest.mark.parametrize("baked", NAMES, indirect=True)
def test_rpm_reads_the_text(baked: tuple[Release, Path], mark: Path, tmp_path: Path, run: Runner) -> None:
    release, target = baked
    for name in ("SOURCES", "SPECS", "tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "SOURCES" / release.sdist_name).touch()
    run("rpmbuild", "-bs", *definitions(release, tmp_path), target / "specs" / f"{release.name}.spec")
    (package,) = tmp_path.glob("SRPMS/*.rpm")
    tags = ("SUMMARY", "VENDOR", "PACKAGER", "DESCRIPTION", "CHANGELOGNAME", "CHANGELOGTEXT")
    form = "\x01".join(f"%{{{tag}}}" for tag in tags)
    found = dict(zip(tags, run.output("rpm", "-qp", "--qf", form, package).split("\x01"), strict=True))
    assert found["SUMMARY"] == release.summary
    assert found["VENDOR"] == release.vendor
    assert found["PACKAGER"] == release.maintainer
    assert words(found["DESCRIPTION"]) == words(release.description)
    assert found["CHANGELOGNAME"].startswith(f"{release.maintainer} - ")
    text = release.summary
    assert words(found["CHANGELOGTEXT"]) == words(f"- {text} - Added: {text}")
    assert not mark.exists()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the user which makepkg runs as can reach; pytest's own are closed to all others."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("baked", NAMES, indirect=True)
def test_makepkg_reads_the_text(baked: tuple[Release, Path], mark: Path, open_folder: Path, run: Runner) -> None:
    release, target = baked
    folder = open_folder / "build"
    config = prepare(release, "ucrt64", target / "msys2" / "PKGBUILD", folder)
    give_to_user(folder)
    printed = run.output(
        *unprivileged(), "makepkg", "--config", str(config), "--printsrcinfo",
        cwd=folder / "start", env=environment_variables(release, "ucrt64", folder),
    )  # fmt: skip
    assert re.findall(r"\tpkgdesc = (.*)", printed) == [f"{release.summary} (mingw-w64)"]
    assert f"pkgname = {ENVIRONMENTS['ucrt64'].package_prefix}-{release.name}" in printed
    said = run.output("bash", "-c", '. "$1"; printf %s "$PACKAGER"', "bash", config)
    assert said == release.maintainer
    assert not mark.exists()


DSL = """
class Formula
  SAID = {}
  %i[desc homepage url sha256 license version depends_on].each { |w| define_singleton_method(w) { |v| SAID[w] = v } }
  def self.test; end
end
load ARGV[0]
require "json"
puts JSON.generate(Formula::SAID)
"""


def test_no_text_is_a_finding_of_shellcheck(mark: Path, tmp_path: Path, run: Runner) -> None:
    texts = [*(text_of(name, mark) for name in NAMES), "for $HOME", "a `b` c", "5 $ a call", "$"]
    lines = [f"v{number}={quoting.shell(text)}" for number, text in enumerate(texts)]
    lines.append("set -- " + " ".join(f'"$v{number}"' for number in range(len(texts))))
    script = tmp_path / "texts.sh"
    script.write_text("\n".join(lines) + "\n")
    run("shellcheck", "--norc", "-s", "bash", script)


@pytest.mark.parametrize("baked", NAMES, indirect=True)
def test_ruby_reads_the_text(baked: tuple[Release, Path], mark: Path, run: Runner) -> None:
    release, target = baked
    printed = run.output("ruby", "-W", "-e", DSL, target / "formulae" / f"{release.name}.rb")
    assert json.loads(printed)["desc"] == release.summary
    assert not mark.exists()


@pytest.mark.parametrize("baked", NAMES, indirect=True)
def test_python_packaging_reads_the_text(baked: tuple[Release, Path]) -> None:
    release, target = baked
    project = tomllib.loads((target / "runtime" / "pyproject.toml").read_text())["project"]
    assert project["description"] == release.summary
    assert project["maintainers"] == [{"name": release.maintainer}]


def test_an_image_carries_the_text(mark: Path, tmp_path: Path, run: Runner) -> None:
    texts = {f"test.{name}": text_of(name, mark) for name in NAMES}
    labels = " \\\n      ".join(f"{key}={quoting.label(text)}" for key, text in texts.items())
    (tmp_path / "Containerfile").write_text(f"FROM scratch\nLABEL {labels}\n")
    storage = ("--root", tmp_path / "storage", "--runroot", tmp_path / "run", "--storage-driver", "vfs")
    build = ("build", "--isolation", "chroot", "--identity-label=false", "--tag", "localhost/attempts")
    run("buildah", *storage, *build, tmp_path)
    inspected = json.loads(run.output("buildah", *storage, "inspect", "--type", "image", "localhost/attempts"))
    assert inspected["OCIv1"]["config"]["Labels"] == texts
    assert not mark.exists()


@pytest.mark.parametrize("text", ["%package evil", "%if 1", "%changelog x", "# not a comment"])
def test_a_description_that_no_spec_can_begin_with_is_refused(release: Release, text: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="cannot begin with"):
        bake(ROOT, dataclasses.replace(release, description=text), tmp_path)


def test_a_vendor_that_rpm_would_lose_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot begin with"):
        quoting.spec_definition("%{lua:x}")


@pytest.mark.parametrize("text", ["%package evil", "%if 1", "%endif", "%description", "# comment"])
def test_no_line_of_a_paragraph_begins_with_a_keyword(text: str) -> None:
    for width in range(60, 79):
        lines = quoting.spec_paragraph(f"{'x' * width} {text} {'y' * 40} {text} z").splitlines()
        assert not [line for line in lines if line.startswith(("%%", "#"))]


@pytest.mark.parametrize("function", [quoting.spec, quoting.shell, quoting.ruby, quoting.label, quoting.toml])
@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\0b", "a\x1bb", "a\u2028b"])
def test_what_ends_a_line_is_refused_by_the_quoting_too(function: object, text: str) -> None:
    assert callable(function)
    with pytest.raises(ValueError, match="not one line"):
        function(text)


# What needs no quoting: values with a strict pattern in the schema of the manifest, numbers, enumerations, and what is
# made of them.
PLAIN = re.compile(
    r"release\.(name|epoch|python|sdist_name|version|version\.(rpm|pacman|pep440|oci|tag)|(rpm|msys2)\.release"
    r"|images\.user|images\.micro\.(suite|python)|homebrew\.python)|entry\.version\.rpm|loop\.(first|last)"
)


def is_plain(expression: str) -> bool:
    """Whether all names of an expression are plain: its texts and its operators are the template's own."""
    names = re.findall(r"[a-z_]+(?:\.[a-z_0-9]+)+", re.sub(r'"[^"]*"', "", expression))
    return bool(names) and all(PLAIN.fullmatch(name) for name in names)


def test_every_value_of_the_templates_is_quoted() -> None:
    files = [path for path in (ROOT / "recipes" / "packages").rglob("*") if path.is_file()]
    values = [(path, value.strip()) for path in files for value in re.findall(r"{{(.*?)}}", path.read_text())]
    assert len(values) > 40
    filters = "|".join(quoting.FILTERS)
    bare = [
        f"{path.relative_to(ROOT)}: {value}"
        for path, value in values
        if not re.search(rf"\| ({filters})(\(.*\))?$", value)
        and not is_plain(dict(re.findall(r"{% set (\w+) = (.*?) %}", path.read_text())).get(value, value))
    ]
    assert bare == []
