"""What the emulator does otherwise on Windows, as far as another system can hold it."""

from __future__ import annotations

import errno
import os
import signal
from types import SimpleNamespace

import pytest
from faas_runtime.emulator import child
from faas_runtime.emulator.invoke import _Output

CTRL_BREAK_EVENT = 1


def started(
    monkeypatch: pytest.MonkeyPatch, *, refusal: type[Exception] | None = None, code: int = 0
) -> tuple[child.Child, list[int]]:
    """A stand-in for a process on Windows, with the signals that it is sent."""
    monkeypatch.setattr(child, "ASKING", CTRL_BREAK_EVENT)
    sent: list[int] = []

    def send(number: int) -> None:
        if number == CTRL_BREAK_EVENT and refusal is not None:
            raise refusal("there is no console")
        sent.append(number)

    found = child.Child(lambda *_: None, lambda: None)
    found._transport = SimpleNamespace(send_signal=send, get_returncode=lambda: code)
    return found, sent


def test_a_process_is_asked_to_end_by_ctrl_break(monkeypatch: pytest.MonkeyPatch) -> None:
    process, sent = started(monkeypatch)
    process.terminate()
    assert sent == [CTRL_BREAK_EVENT]


@pytest.mark.parametrize("refusal", [OSError, SystemError])
def test_a_process_that_cannot_be_asked_is_ended(monkeypatch: pytest.MonkeyPatch, refusal: type[Exception]) -> None:
    process, sent = started(monkeypatch, refusal=refusal)
    process.terminate()
    assert sent == [signal.SIGTERM]


@pytest.mark.parametrize(("code", "how"), [(0xC0000005, "exit status 0xc0000005"), (259, "exit status 259")])
def test_how_a_process_ended(monkeypatch: pytest.MonkeyPatch, code: int, how: str) -> None:
    assert started(monkeypatch, code=code)[0].how_it_ended == how


def test_a_reader_that_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows says EINVAL when nobody reads a pipe; nothing is written after that."""
    output, calls = _Output(), []

    def write(descriptor: int, data: bytes) -> int:
        calls.append(data)
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "write", write)
    output.write(b"one")
    output.write(b"two")
    assert calls == [b"one"]
