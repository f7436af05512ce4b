"""How a failure is reported: the body, the headers and the log, within the limits of the platform."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from faas_runtime import reports
from faas_runtime.errors import FunctionError

from ci.core.runtime_api_stub import RuntimeApiStub
from tests.runtime.support import ACCEPTED, OVER, Runtime, ScriptedServer, invocation
from tests.waiting import TIMEOUT_S

TYPE = b"Lambda-Runtime-Function-Error-Type: "
CAUSE = b"Lambda-Runtime-Function-XRay-Error-Cause: "


def headers_of(error: FunctionError) -> dict[bytes, bytes]:
    lines = reports.error_headers(error).decode("ascii").encode().split(b"\r\n")
    assert lines.pop() == b""
    return {name + b": ": value for name, _, value in (line.partition(b": ") for line in lines)}


def test_cause_is_sent(functions: Path) -> None:
    with RuntimeApiStub() as api, Runtime(api.address, "probe.fail", functions):
        result = api.invoke(b"{}", timeout=TIMEOUT_S)
    frames = [{"path": "one.c", "line": 1, "label": ""}, {"path": "two.c", "line": 2, "label": ""}]
    message = 'a "quoted" message\nwith \\ and \x01 and \ufffd'
    assert json.loads(result.headers["lambda-runtime-function-xray-error-cause"]) == {
        "working_directory": str(Path.cwd()),
        "exceptions": [{"type": "Function.Broken", "message": message, "stack": frames}],
        "paths": ["one.c", "two.c"],
    }


@pytest.mark.parametrize(
    ("frame", "path", "line"),
    [
        ("src/lib.rs:12:26", "src/lib.rs", 12),
        ("main.c:7", "main.c", 7),
        ("main.c", "main.c", 0),
        ("C:\\src\\main.c:7:1", "C:\\src\\main.c", 7),
        ("7", "7", 0),
        (":7", "", 7),
        ("a:b:c", "a:b:c", 0),
        ("a.c:\u00b2", "a.c:\u00b2", 0),
        ("a.c:12345678901234567890", "a.c", 123456789),
        ("", "", 0),
    ],
)
def test_frames(frame: str, path: str, line: int) -> None:
    cause = json.loads(headers_of(FunctionError("Function.Broken", "m", [frame]))[CAUSE])
    assert cause["exceptions"][0]["stack"] == [{"path": path, "line": line, "label": ""}]
    assert cause["paths"] == [path]


TEXTS = ["Gr\xfc\xdfe", "\u2028\x7f\x1b[31m", "\U0001f600", "\ud800 alone", "a\r\nX: 1\0b", '"\\/']


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_is_a_header_and_means_the_same(text: str) -> None:
    error = FunctionError(text, text, [text])
    cause = headers_of(error)[CAUSE]
    assert all(0x20 <= byte < 0x7F for byte in cause)
    (exception,) = json.loads(cause)["exceptions"]
    assert (exception["type"], exception["message"], exception["stack"][0]["path"]) == (text, text, text)
    document = json.loads(reports.error_document(error))
    assert document["errorMessage"] == text.encode("utf-8", "replace").decode()


def test_cause_that_would_be_refused_is_left_out() -> None:
    def headers(size: int) -> dict[bytes, bytes]:
        return headers_of(FunctionError("Function.Broken", "", ["p" * size]))

    size = (reports.CAUSE_LIMIT - 1 - len(headers(0)[CAUSE])) // 2  # a path occurs twice
    assert reports.CAUSE_LIMIT - 2 <= len(headers(size)[CAUSE]) < reports.CAUSE_LIMIT
    assert headers(size + 1).keys() == headers(size).keys() - {CAUSE}
    assert headers(size + 1)[TYPE] == b"Function.Broken"


@pytest.mark.parametrize("character", ["x", "\x01", "\u20ac"])
def test_a_long_cause_keeps_its_beginning(character: str) -> None:
    """Servers refuse heads that are too large; then the error would never reach the caller."""
    error = FunctionError(character * 10**6, character * 10**6, [f"{character}.c:{line}" for line in range(10_000)])
    cause = json.loads(headers_of(error)[CAUSE])
    (exception,) = cause["exceptions"]
    assert error.message.startswith(exception["message"])
    assert len(exception["message"]) > 4000
    assert exception["stack"][7] == {"path": f"{character}.c", "line": 7, "label": ""}


@pytest.mark.parametrize("character", ["x", "\x01", "\U0001f600"])
def test_documents_have_a_limit(character: str) -> None:
    """Managed instances accept bodies of up to 1 MiB."""
    error = FunctionError(character * 10**6, character * 10**7, [character * 100] * 10**5)
    body = reports.error_document(error)
    assert 100_000 < len(body) < 1 << 20
    document = json.loads(body)
    assert document["errorType"] == character * 256
    assert error.message.startswith(document["errorMessage"])
    assert 100 < len(document["stackTrace"]) < 400


@pytest.mark.parametrize("character", ["x", "\x01", "\U0001f600"])
def test_trailer_has_a_limit(character: str) -> None:
    for length in (1, 100, 1000, 10_000):
        text = character * length
        for stack in ([], ["a.c:1"], [text] * 100):
            error = FunctionError(text, text, stack)
            body = reports.trailer_document(error)
            assert len(body) <= reports.TRAILER_LIMIT
            document = json.loads(body)
            assert error.error_type.startswith(document["errorType"])
            assert error.message.startswith(document["errorMessage"])
            assert len(document["errorMessage"]) > 50 or document["errorMessage"] == text
            assert document["stackTrace"] == stack[: len(document["stackTrace"])]
            if length == 1 and len(stack) < 2:
                assert body == reports.error_document(error)


def test_folder_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(FileNotFoundError):
        Path.cwd()
    assert json.loads(headers_of(FunctionError("Function.Broken", "m"))[CAUSE])["working_directory"] == ""


@pytest.mark.parametrize("log_format", ["Text", "JSON"])
def test_log_has_a_limit(functions: Path, log_format: str) -> None:
    variables = {"AWS_LAMBDA_LOG_FORMAT": log_format}
    with (
        ScriptedServer([invocation(), ACCEPTED, OVER]) as server,
        Runtime(server.address, "probe.fail_at_length", functions, environment=variables) as runtime,
    ):
        _, errors = runtime.end()
    assert server.actions == ["GET next", "POST error", "GET next"]
    first, *_ = errors.splitlines()
    assert 100_000 < len(first) < 1_000_000


def test_no_codec_is_used_that_images_leave_out() -> None:
    """Python has these without a module; any other codec is a module, which `carry.py` copies only if it knows it."""
    named = re.compile(r"\.(?:en|de)code\(\s*[\"']([\w-]+)[\"']")
    package = Path(reports.__file__).parent
    used = {name: path for path in package.rglob("*.py") for name in named.findall(path.read_text(encoding="utf-8"))}
    others = {name: path.name for name, path in used.items() if name not in ("utf-8", "ascii", "latin-1")}
    assert not others
