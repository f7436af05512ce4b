"""`faas-runtime serve --watch --build COMMAND`: an author edits sources, and the emulator builds them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
from faas_runtime.emulator import source_tree
from faas_runtime.emulator.source_tree import SourceTree, TooManyFiles, changed

from tests.emulator.executables import make_bootstrap
from tests.emulator.support import INVOKE, ClientResponse, Emulator
from tests.runtime.support import RUNTIME, SUFFIX
from tests.waiting import wait_until

SOURCE = r"""
#include <faas.h>
#include <string.h>
uint32_t faas_abi_version(void) { return FAAS_ABI_VERSION; }
int32_t handle(const faas_request *request, faas_response *response)
{
    (void)request;
    response->data = ANSWER;
    response->len = strlen(ANSWER);
    return 0;
}
"""
COMPILE = f"cc -shared -fPIC -I{RUNTIME / 'include'} -o libmine{SUFFIX} src/mine.c"
COPY = "cp src/app.py bootstrap.new && chmod +x bootstrap.new && mv bootstrap.new bootstrap"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "src").mkdir(parents=True)
    return folder


def write(project: Path, answer: str) -> None:
    (project / "src" / "mine.c").write_text(SOURCE.replace("ANSWER", answer))


@contextmanager
def serving(project: Path, program: str, command: str) -> Iterator[Emulator]:
    """An emulator that is started in the project."""
    before = ("/bin/sh", "-c", 'cd "$0" && exec "$@"', str(project))
    with Emulator(program, "--watch", "--build", command, before=before) as emulator:
        yield emulator


def builds(emulator: Emulator) -> int:
    return emulator.err.count("faas-runtime: building: ")


def failure(response: ClientResponse) -> str:
    assert response.json["errorType"] == "Runtime.BuildFailed"
    return str(response.json["errorMessage"])


def test_the_first_request_after_an_edit_gets_the_new_code_or_the_errors_of_the_compiler(project: Path) -> None:
    write(project, '"1"')
    with serving(project, f"./libmine{SUFFIX}", COMPILE) as emulator:
        assert emulator.invoke().body == b"1", "it waits for the first build"
        write(project, '"22"')
        assert emulator.invoke().body == b"22"
        write(project, "nonsense")
        message = failure(emulator.invoke())
        assert message.startswith(f"the build failed (exit status 1): {COMPILE}\n")
        assert "src/mine.c:8:" in message
        page = emulator.request("GET", "/")
        assert (page.status, page.headers["content-type"]) == (502, "text/plain; charset=utf-8")
        assert page.body.decode() == message
        assert emulator.request("GET", "/_faas/health").status == 503
        assert "src/mine.c:8:" in emulator.err, "the terminal shows it, too"
        write(project, '"333"')
        assert emulator.invoke().body == b"333"
        assert builds(emulator) == 4
        assert emulator.end() == 0


def test_a_build_that_fails_at_the_start_does_not_end_serve(project: Path) -> None:
    write(project, "nonsense")
    with serving(project, f"./libmine{SUFFIX}", COMPILE) as emulator:
        assert "src/mine.c:8:" in failure(emulator.invoke())
        write(project, '"1"')
        assert emulator.invoke().body == b"1"


def test_the_sources_are_built_without_a_request(project: Path) -> None:
    write(project, '"1"')
    with serving(project, f"./libmine{SUFFIX}", COMPILE) as emulator:
        assert emulator.invoke().body == b"1"
        write(project, "nonsense")
        wait_until(lambda: "faas-runtime: the build failed: exit status 1" in emulator.err, "it is not built")


def test_an_executable_is_built_and_run_from_where_it_is(project: Path) -> None:
    make_bootstrap(project)
    app = project / "src" / "app.py"
    app.write_bytes((project / "bootstrap").read_bytes())
    with serving(project, "./bootstrap", COPY) as emulator:
        assert emulator.invoke().json["extra"] == ""
        app.write_text(app.read_text().replace('"extra": ', '"built": 2, "extra": '))
        assert emulator.invoke().json["built"] == 2


def test_an_edit_during_a_build_is_built_too(project: Path, tmp_path: Path) -> None:
    """Both invocations get the code of the last edit: the first one waits for both builds."""
    write(project, '"1"')
    gate = tmp_path / "gate"
    gate.touch()
    held = f"cat src/mine.c > /dev/null; until [ -e '{gate}' ]; do sleep 0.01; done; {COMPILE}"
    with serving(project, f"./libmine{SUFFIX}", f"cp src/mine.c ../mine.c; {held.replace('src/', '../')}") as emulator:
        assert emulator.invoke().body == b"1"
        gate.unlink()
        write(project, '"22"')
        with ThreadPoolExecutor(1) as executor:
            waiting = executor.submit(emulator.invoke)
            wait_until(lambda: builds(emulator) == 2, "the second build does not begin")
            wait_until(lambda: '"22"' in (tmp_path / "mine.c").read_text(), "the build has not read the source")
            write(project, '"333"')
            gate.touch()
            assert waiting.result().body == b"333"
        assert builds(emulator) == 3


def test_a_build_that_writes_beside_the_sources_comes_to_an_end(project: Path) -> None:
    write(project, '"1"')
    with serving(project, f"./libmine{SUFFIX}", f"date +%N > src/stamp.txt; {COMPILE}") as emulator:
        assert emulator.invoke().body == b"1"
        assert builds(emulator) == 3
        assert "the build changes files each time, such as " in emulator.err
        assert emulator.invoke().body == b"1"
        assert builds(emulator) == 3


def test_serve_ends_while_a_build_is_running(project: Path) -> None:
    write(project, '"1"')
    with serving(project, f"./libmine{SUFFIX}", "echo begun; sleep 600") as emulator:
        wait_until(lambda: "\nbegun\n" in emulator.err, "the build does not begin")
        with closing(HTTPConnection("127.0.0.1", emulator.port)) as connection:
            connection.request("POST", INVOKE, b"{}")
            emulator.request("GET", "/_faas/health")  # an answer to what came later: the invocation was received
            children = emulator.children
            assert children
            assert emulator.end() == 0
            response = connection.getresponse()
            document = json.loads(response.read())
            assert (response.status, document["message"]) == (503, "Runtime.Stopped: the emulator is being stopped")
        wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in children), "the command is running")


def test_what_belongs_to_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("src/a.c", "b.rs", ".git/c", "target/d", "src/e.o", "src/bin/f.rs", "out/app", f"g{SUFFIX}"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    (tmp_path / "loop").symlink_to(tmp_path)
    tree = SourceTree(str(tmp_path), [str(tmp_path / "out" / "app")])
    before = tree.state()
    assert sorted(before) == [str(tmp_path / name) for name in ("b.rs", "src/a.c", "src/bin/f.rs")]
    (tmp_path / "b.rs").unlink()
    (tmp_path / "src" / "a.c").write_text("22")
    (tmp_path / "new").write_text("")
    assert changed(before, tree.state()) == [str(tmp_path / name) for name in ("b.rs", "new", "src/a.c")]
    monkeypatch.setattr(source_tree, "FILE_LIMIT", 2)
    with pytest.raises(TooManyFiles, match="start serve in the folder of the sources"):
        tree.state()
