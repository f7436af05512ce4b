"""Publishes to several targets, one after the other: each begins when the one before it is done.

What others lead to comes first: a formula or a list of packages must not name a file that nobody can download yet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from ci.core.console import Console
from ci.core.errors import ReleaseError, UsageError
from ci.core.faults import Fault, fault_of, require_none
from ci.publish.target import Item, State, Target

ORDER = ("github", "registry", "pypi", "crates", "yum", "pacman", "tap")
_AGAIN = "run the same command again: it goes on where it has stopped"


def chosen(targets: Iterable[Target], only: Collection[str]) -> list[Target]:
    """The targets in the order of `ORDER`; of all, or of those that `only` names. `UsageError` for another name."""
    found = sorted(targets, key=lambda target: ORDER.index(target.name))
    names = [target.name for target in found]
    if unknown := sorted(set(only) - set(names)):
        raise UsageError(f"--only {unknown[0]}: there is no such target here", hint=f"one of: {', '.join(names)}")
    return [target for target in found if not only or target.name in only]


def require_ready(targets: Sequence[Target], faults: Sequence[Fault], console: Console) -> None:
    """Ask every target what stands in the way of a publication, before anything is sent.

    `PreflightError` has all of it, with `faults` that are known already. A target that cannot be asked does not hide
    the faults of the others; if nothing else stands in the way, it is a `HostError`, which may be gone later.
    """
    _require_none("published", [*faults, *_asked(targets, lambda target: target.preflight())], console)


def require_promotable(targets: Sequence[Target], faults: Sequence[Fault], console: Console) -> None:
    """The same as `require_ready`, for a promotion."""
    _require_none("promoted", [*faults, *_asked(targets, lambda target: target.preflight_promotion())], console)


def _asked(targets: Sequence[Target], ask: Callable[[Target], Sequence[Fault]]) -> Iterator[Fault]:
    for target in targets:
        try:
            yield from ask(target)
        except ReleaseError as error:
            yield fault_of(error, target.name, target.name, _AGAIN)


def _require_none(what: str, faults: Sequence[Fault], console: Console) -> None:
    for fault in faults:
        if fault.warning:
            console.say(f"warning: {fault}")
    hint = "do that, and run the same command again; nothing was sent"
    require_none(faults, f"this release from being {what}", hint)


def show_plan(targets: Sequence[Target], console: Console) -> None:
    """Show what each target has, and every request that would be sent. Nothing is changed.

    A target that cannot be asked has a row that says so.
    """
    rows, all_there = [], True
    for target in targets:
        try:
            items = target.state()
        except ReleaseError as error:
            rows.append([target.name, f"cannot be asked: {' '.join(str(error).split())}", "", "", ""])
            all_there = False
            continue
        all_there = all_there and all(item.state == State.THERE for item in items)
        rows += [
            [target.name, item.name, item.state.value, _size(item), request]
            for item in items
            for request in item.requests or ("",)
        ]
    console.table("What would be sent", ["target", "what", "there now", ">size", "request"], rows)
    if all_there:
        console.say("everything is there already")


def publish(targets: Sequence[Target], console: Console) -> None:
    """Publish to each target, and show what is there then."""
    _each("Published", targets, lambda target: target.publish(), console)


def promote(targets: Sequence[Target], console: Console) -> None:
    """Let everybody have, at each target, what only those had who test."""
    _each("Promoted", targets, lambda target: target.promote(), console)


def _each(title: str, targets: Sequence[Target], act: Callable[[Target], None], console: Console) -> None:
    """Act at each target. The table has those that are done, also if a later one fails or is interrupted."""
    rows: list[list[str]] = []
    try:
        for number, target in enumerate(targets):
            console.say(f"{target.name}: asking what is there")
            begun = time.monotonic()
            try:
                act(target)
                items = target.state()
            except ReleaseError as error:
                later = ", ".join(one.name for one in targets[number + 1 :])
                begun_not = f"; not begun: {later}" if later else ""
                raise longer(error, f"{target.name}: {error}{begun_not}") from error
            rows.append([target.name, _summary(items), f"{time.monotonic() - begun:.1f} s"])
    finally:
        console.table(title, ["target", "what is there", ">time"], rows)


def longer(error: ReleaseError, message: str) -> ReleaseError:
    """The same kind of error with a longer message; its code and advice stay."""
    found = ReleaseError(message, hint=error.hint or _AGAIN)
    found.exit_code = error.exit_code
    return found


def _summary(items: Sequence[Item]) -> str:
    there = sum(item.state == State.THERE for item in items)
    return f"{there} of {len(items)}"


def _size(item: Item) -> str:
    return f"{item.size / 1e6:.1f} MB" if item.size else ""
