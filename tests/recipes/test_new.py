"""`faas-runtime new`, run from a checkout and from packages, with and without cookiecutter."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ci.bake.render import bake_recipe
from tests.recipes.support import COOKIECUTTER, RECIPES, Person, files_of, person, script
from tests.support import copy_checkout

FOLDERS = {"c": "c-function", "rust": "rust-function"}


def made_by_cookiecutter(language: str, name: str, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    return files_of(bake_recipe(RECIPES / FOLDERS[language], folder, name))


def pasted(person: Person, hint: str) -> None:
    """Run the last command of a hint in a shell."""
    command = hint.strip().splitlines()[-1].strip()
    assert command.startswith("cookiecutter ")
    script(person.bin / "cookiecutter", COOKIECUTTER)
    done = person.run("/bin/sh", "-c", command)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("language", ["c", "rust"])
@pytest.mark.parametrize("name", ["simple_handler", "my-function"])
def test_the_project_is_the_recipes(author: Person, tmp_path: Path, language: str, name: str) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    done = author.new(language, name, TMPDIR=str(scratch))
    assert list(scratch.iterdir()) == []  # cookiecutter itself leaves its hooks there
    assert (done.returncode, done.stderr) == (0, "")
    project = author.work / name
    assert files_of(project) == made_by_cookiecutter(language, name, tmp_path / "expected")
    assert {path.name for path in author.work.iterdir()} == {name}
    assert list(author.home.iterdir()) == []  # no replay file, and nothing else
    library = name.replace("-", "_")
    assert f"    cd {name}\n" in done.stdout
    assert re.search(rf"faas-runtime serve \S*lib{library}\.(so|dylib) --watch\n", done.stdout)
    left = [path for path, data in files_of(project).items() if b"cookiecutter" in data or "{{" in path]
    assert left == []


def test_output_option(author: Person) -> None:
    done = author.new("c", "first", "--output", "a new/place")
    assert done.returncode == 0
    assert done.stdout.startswith("a new/place did not exist and was created.\na new/place/first is ready.")
    assert "cd 'a new/place/first'" in done.stdout
    assert (author.work / "a new" / "place" / "first" / "Makefile").exists()


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_existing_files_are_not_changed(author: Person, kind: str) -> None:
    target = author.work / "mine"
    if kind == "folder":
        target.mkdir()
    elif kind == "file":
        target.touch()
    else:
        target.symlink_to("nowhere")
    before = target.lstat()
    done = author.new("c", "mine")
    assert done.returncode == 2
    assert "mine already exists" in done.stderr
    assert (target.lstat().st_mtime_ns, target.lstat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert not target.is_dir() or list(target.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [("c", "Bad"), ("rust", "match"), ("c", "a/b"), ("c",), ("go", "a"), ("c", "a", "b")]
)
def test_a_wrong_call_writes_nothing(author: Person, arguments: tuple[str, ...]) -> None:
    done = author.new(*arguments, "--output", "place")
    assert done.returncode == 2
    assert "faas-runtime new" in done.stderr
    assert list(author.work.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rust", "-x"), "unrecognized arguments: -x"),
        (("-x",), "unrecognized arguments: -x"),
        (("rust",), "required: NAME"),
        ((), "required: language, NAME"),
        (("my-function",), "'my-function' is not one of c, rust; name the language first: new rust my-function"),
        (("c", "--", "-x"), "'-x' cannot be the name of a function"),
        (("c", "mine", "--out", "place"), "unrecognized arguments: --out place"),
    ],
)
def test_wrong_usage_is_reported(author: Person, arguments: tuple[str, ...], said: str) -> None:
    done = author.new(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_folder_that_cannot_be_created_is_reported_in_one_line(author: Person) -> None:
    (author.work / "file").touch()
    for place, why in {"/proc": "/proc/mine cannot be created: ", "file": "/file/mine cannot be created: "}.items():
        if place == "/proc" and not sys.platform.startswith("linux"):
            continue
        done = author.new("c", "mine", "--output", place)
        assert (done.returncode, done.stdout) == (2, "")
        (line,) = done.stderr.splitlines()
        assert why.lstrip("/") in line
        assert line.endswith(". Choose another folder with --output")
    assert [path.name for path in author.work.iterdir()] == ["file"]


def test_a_reader_of_the_next_steps_may_go_away(author: Person) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*author.launcher, "new", "c", "mine"],
            cwd=author.work, env={"PATH": str(author.bin), "HOME": str(author.home)},
            stdout=writing, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (author.work / "mine" / "Makefile").exists()


def test_help_lists_the_names_and_the_options(author: Person) -> None:
    done = author.new("--help")
    assert done.returncode == 0
    for said in ("NAME", "--output DIR", "cookiecutter", "my_function.handle"):
        assert said in done.stdout


@pytest.mark.parametrize("language", ["c", "rust"])
def test_without_cookiecutter_the_hint_can_be_pasted(tmp_path: Path, language: str) -> None:
    somebody = person(tmp_path, cookiecutter=False)
    done = somebody.new(language, "my-function", "--output", "a b")
    assert done.returncode == 2
    assert "    python3 -m venv ~/.cookiecutter && ~/.cookiecutter/bin/pip install cookiecutter && PATH=" in done.stderr
    assert "--user" not in done.stderr  # PEP 668
    assert list(somebody.work.iterdir()) == []
    pasted(somebody, done.stderr)
    made = files_of(somebody.work / "a b" / "my-function")
    assert made == made_by_cookiecutter(language, "my-function", tmp_path / "expected")


@pytest.mark.parametrize(
    ("programs", "variables", "said"),
    [
        (["apt-get", "dnf"], {}, "    apt-get install cookiecutter\n    python3 -m venv "),
        (["dnf", "pipx"], {}, "    dnf install cookiecutter\n    pipx install cookiecutter\n"),
        (["pacman"], {}, "    pacman -S python-cookiecutter\n"),
        (
            ["pacman"],
            {"MINGW_PACKAGE_PREFIX": "mingw-w64-ucrt-x86_64"},
            "-S mingw-w64-ucrt-x86_64-python-cookiecutter\n",
        ),
        (["brew"], {}, "    brew install cookiecutter\n"),
    ],
)
def test_the_hint_fits_the_system(tmp_path: Path, programs: list[str], variables: dict[str, str], said: str) -> None:
    somebody = person(tmp_path, cookiecutter=False)
    for name in programs:
        script(somebody.bin / name, "#!/bin/sh\nexit 1\n")
    assert said in somebody.new("c", "mine", **variables).stderr


def test_a_python_that_has_cookiecutter_is_used(tmp_path: Path) -> None:
    somebody = person(tmp_path, cookiecutter=False)
    launcher = somebody.launcher[0]
    (somebody.bin / "python3").rename(somebody.home.parent / "python3")
    somebody = Person(
        home=somebody.home, bin=somebody.bin, work=somebody.work,
        launcher=(somebody.home.parent / "python3", *somebody.launcher[1:]),
    )  # fmt: skip
    assert launcher != somebody.launcher[0]
    script(somebody.bin / "python3", f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    (somebody.work / "cookiecutter.py").write_text("raise SystemExit('not this one')\n")
    done = somebody.new("c", "mine")
    assert done.returncode == 0, done.stderr
    assert (somebody.work / "mine" / "faas.h").exists()


def test_a_failure_of_cookiecutter_is_reported(author: Person) -> None:
    script(author.bin / "cookiecutter", "#!/bin/sh\necho no way >&2\nexit 3\n")
    done = author.new("c", "mine", "--output", "some/place")
    assert done.returncode == 1
    assert "no way" in done.stderr
    assert "exit code 3" in done.stderr
    assert list(author.work.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["TERM", "HUP", "INT"])
def test_a_signal_leaves_no_half_of_a_project(author: Person, name: str) -> None:
    half = 'mkdir "$PLACE/mine" && echo half > "$PLACE/mine/Makefile"'
    script(author.bin / "cookiecutter", f"#!/bin/sh\n{half}\nkill -{name} $PPID\nexec sleep 60\n")
    place = author.work / "place"
    path = f"{author.bin}:{os.defpath}"
    done = author.new("c", "mine", "--output", "place", PLACE=str(place), PATH=path)
    assert done.returncode == 128 + signal.Signals[f"SIG{name}"]
    assert list(author.work.iterdir()) == []


def test_path_may_contain_relative_folders(author: Person) -> None:
    tools = author.home.parent / "tools"
    tools.mkdir()
    (author.bin / "cookiecutter").rename(tools / "cookiecutter")
    assert author.new("c", "mine", "--output", "place", PATH=os.path.relpath(tools, author.work)).returncode == 0
    assert (author.work / "place" / "mine" / "Makefile").exists()


def test_a_cookiecutter_that_makes_nothing_is_reported(author: Person) -> None:
    script(author.bin / "cookiecutter", "#!/bin/sh\necho nothing to do\n")
    done = author.new("c", "mine")
    assert done.returncode == 1
    assert done.stderr == "faas-runtime new: cookiecutter did not make mine; its own messages are above\n"
    assert list(author.work.iterdir()) == []


def test_cookiecutter_asks_no_questions(author: Person) -> None:
    script(author.bin / "cookiecutter", '#!/bin/sh\nread -r answer && echo "it got: $answer" >&2\nexit 3\n')
    assert "it got" not in author.new("c", "mine").stderr


def test_old_cookiecutters_can_read_what_they_are_given(author: Person) -> None:
    """Debian 12 has 1.7.3, whose YAML parser reads lines of `key: "value"` and little more."""
    script(author.bin / "cookiecutter", '#!/bin/sh\ncat "$COOKIECUTTER_CONFIG" >&2\nexit 3\n')
    (author.bin / "cat").symlink_to(shutil.which("cat") or "")
    settings = author.new("c", "mine").stderr.splitlines()[:-1]
    assert [re.fullmatch(r'(\w+): "/[^"]+/\1"', line) is not None for line in settings] == [True, True]


def test_settings_of_the_user_do_not_matter(author: Person, tmp_path: Path) -> None:
    (author.home / ".cookiecutterrc").write_text('default_context:\n  name: other\nreplay_dir: "/nonexistent"\n')
    assert author.new("c", "mine").returncode == 0
    assert files_of(author.work / "mine") == made_by_cookiecutter("c", "mine", tmp_path / "expected")


@pytest.mark.parametrize("language", ["c", "rust"])
def test_the_installed_payload_makes_the_same_project(payload: Path, tmp_path: Path, language: str) -> None:
    (tmp_path / "person").mkdir()
    somebody = person(tmp_path / "person")
    python = somebody.bin / "python3"
    before = files_of(payload.parent.parent)
    done = somebody.run(python, "-IS", payload, "new", language, "my-function")
    assert (done.returncode, done.stderr) == (0, "")
    expected = made_by_cookiecutter(language, "my-function", tmp_path / "expected")
    assert files_of(somebody.work / "my-function") == expected
    after = files_of(payload.parent.parent)
    changed = {path for path in after if after[path] != before.get(path)}
    assert {path for path in changed if "/recipes/" in path or not path.endswith(".pyc")} == set()


def test_an_image_without_recipes_names_the_repository(payload: Path, tmp_path: Path) -> None:
    tree = tmp_path / "faas-runtime"
    shutil.copytree(payload.resolve().parent.parent, tree)
    shutil.rmtree(tree / "faas_runtime" / "recipes")
    (tmp_path / "person").mkdir()
    somebody = person(tmp_path / "person")
    done = somebody.run(somebody.bin / "python3", "-IS", tree / "bin" / "faas-runtime", "new", "rust", "mine")
    assert done.returncode == 2
    words = shlex.split(done.stderr.splitlines()[-1])
    assert words[:2] == ["cookiecutter", "--no-input"]
    assert words[-5:] == ["--checkout", "v0.1.0", "--directory", "recipes/rust-function", "name=mine"]
    assert words[2].startswith("https://")


def test_the_wheel_in_a_virtual_environment(packages: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    (wheel,) = packages.glob("*.whl")
    # By default, pip compiles the files that end in .py; that must work for the recipes.
    pip = (
        sys.executable,
        "-m",
        "pip",
        "--python",
        environment / "bin" / "python",
        "install",
        "--no-index",
        "--no-deps",
    )
    done = subprocess.run(list(map(str, (*pip, wheel))), capture_output=True, text=True, check=True)
    assert "SyntaxError" not in done.stdout + done.stderr
    (tmp_path / "person").mkdir()
    somebody = person(tmp_path / "person", environment / "bin" / "faas-runtime", cookiecutter=False)
    refused = somebody.new("rust", "my-function")
    assert refused.returncode == 2
    assert f"    {environment}/bin/python -m pip install cookiecutter\n" in refused.stderr
    script(environment / "bin" / "cookiecutter", COOKIECUTTER)  # where pip puts it, and not on PATH
    made = somebody.new("rust", "my-function")
    assert (made.returncode, made.stderr) == (0, "")
    found = files_of(somebody.work / "my-function")
    assert {path for path in found if "__pycache__" in path} == set()
    assert found == made_by_cookiecutter("rust", "my-function", tmp_path / "expected")


def test_a_repository_url_with_a_directory(author: Person, tmp_path: Path) -> None:
    if not shutil.which("git"):
        pytest.skip("not run: git is not installed")
    repository = copy_checkout(tmp_path / "repository.git")  # cookiecutter recognises it by its name
    git = ("git", "-c", "user.name=tests", "-c", "user.email=tests@localhost", "-c", "init.defaultBranch=main")
    for words in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "-m", "all")):
        subprocess.run([*git, *words], cwd=repository, check=True, capture_output=True)
    path = f"{author.bin}{os.pathsep}{os.environ['PATH']}"
    for language, folder in FOLDERS.items():
        name = f"my-{language}"
        options = ("--no-input", "--directory", f"recipes/{folder}", f"file://{repository}", f"name={name}")
        done = author.run(author.bin / "cookiecutter", *options, PATH=path)
        assert done.returncode == 0, done.stderr
        assert files_of(author.work / name) == made_by_cookiecutter(language, name, tmp_path / f"{language}-expected")
