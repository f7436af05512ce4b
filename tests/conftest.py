"""Which tests run, and in which order: all but the long ones, or those that a change can affect."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import changed

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadScopeScheduling

pytest_plugins = ["tests.snapshots"]

AFFECTED = pytest.StashKey[set[str] | None]()
HAS_PASSED = pytest.StashKey[bool]()
# Bytes that have to be free for the folders of tests to stay until the end. All of them take half of it.
ROOM = 20 << 30


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--changed", nargs="?", const="", metavar="REVISION",
        help="run only what the changes since a revision can affect (default: since the branch left main)",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: takes long; run with `-m long`, and left out otherwise")
    config.addinivalue_line("markers", "mutant: plants a fault that a gate must find; `nox -s proofs` runs it, too")
    _reset_ignored_signals()
    base = config.getoption("--changed")
    config.stash[AFFECTED] = None if base is None else changed.affected(changed.changed_files(base))


def _reset_ignored_signals() -> None:
    """Reset the signals that a shell lets its background jobs ignore: what the tests start would ignore them, too."""
    for name in ("SIGINT", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests() -> Iterator[None]:
    """A secret that a test registers for its process would change how the logs of later tests are written."""
    before = sys.modules.get("ci.core.masking")
    attributes = dict(vars(before.PROCESS)) if before else None
    yield
    if after := sys.modules.get("ci.core.masking"):
        vars(after.PROCESS).update(vars(after.Masks()) if attributes is None else attributes)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    affected = config.stash[AFFECTED]
    if affected is None or not collection_path.match("test_*.py"):
        return None
    return collection_path.relative_to(changed.ROOT).as_posix() not in affected or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("markexpr"):
        left_out = [item for item in items if item.get_closest_marker("long")]
        if left_out:
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if item not in left_out]
    if "PYTEST_XDIST_WORKER" in os.environ:
        from tests import scheduling

        scheduling.sort(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where there is little room, remove the folder of a test that has passed at once."""
    report = yield
    if report.when == "call":
        item.stash[HAS_PASSED] = report.passed
    has_passed = report.when == "teardown" and item.stash.get(HAS_PASSED, False)
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if has_passed and folder is not None and shutil.disk_usage(folder.parent).free < ROOM:
        shutil.rmtree(folder, ignore_errors=True)
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remove the folders of a run that has passed, all at once.

    After a file is removed, ext4 without a journal does not use its inode for minutes, and has to search for another
    one. With the folders removed after each test, that took a sixth of the processor time of all tests.
    """
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and session.config.stash[AFFECTED] is not None:
        session.exitstatus = exitstatus = pytest.ExitCode.OK  # the change affects no test
    factory = session.config._tmp_path_factory  # type: ignore[attr-defined]
    folder: Path | None = factory._basetemp
    if exitstatus == pytest.ExitCode.OK and factory._given_basetemp is None and folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
        current = folder.parent / "pytest-current"
        if not current.exists():
            current.unlink(missing_ok=True)  # the link to it


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    from tests.scheduling import GroupScheduling

    return GroupScheduling(config, log)
