"""Publishes to several targets, one after the other: each begins when the one before it is done.

What others lead to comes first: a formula or a list of packages must not name a file that nobody can download yet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence

from ci.core.console import Console
from ci.core.errors import PreflightError, ReleaseError, UsageError
from ci.core.faults import Fault, hard
from ci.publish.target import Item, State, Target

ORDER = ("github", "registry", "pypi", "yum", "pacman", "tap")
_AGAIN = "run the same command again: it goes on where it has stopped"


def chosen(targets: Iterable[Target], only: Collection[str]) -> list[Target]:
    """The targets in the order of `ORDER`; of all, or of those that `only` names. `UsageError` for another name."""
    found = sorted(targets, key=lambda target: ORDER.index(target.name))
    names = [target.name for target in found]
    if unknown := sorted(set(only) - set(names)):
        raise UsageError(f"--only {unknown[0]}: there is no such target here", hint=f"one of: {', '.join(names)}")
    return [target for target in found if not only or target.name in only]


def require_ready(targets: Sequence[Target], faults: Sequence[Fault], console: Console) -> None:
    """Ask every target what stands in the way; `PreflightError` has all of it, with `faults` that are known already.

    A target that cannot be asked is a fault of its own, and does not hide those of the others.
    """
    found = list(faults)
    for target in targets:
        try:
            found += target.preflight()
        except ReleaseError as error:
            advice = error.hint or _AGAIN
            found.append(Fault(check=target.name, where=target.name, what=str(error), advice=advice))
    for fault in found:
        if fault.warning:
            console.say(f"warning: {fault}")
    if stop := hard(found):
        count = "one fault keeps" if len(stop) == 1 else f"{len(stop)} faults keep"
        raise PreflightError(
            f"{count} this release from being published\n" + "\n".join(map(str, stop)),
            hint="do that, and run the same command again; nothing was sent",
        )


def show_plan(targets: Sequence[Target], console: Console) -> None:
    """Show what each target has, and every request that would be sent. Nothing is changed."""
    rows = [
        [target.name, item.name, item.state.value, _size(item), request]
        for target in targets
        for item in target.state()
        for request in item.requests or ("",)
    ]
    console.table("What would be sent", ["target", "what", "there now", ">size", "request"], rows)
    if not any(row[-1] for row in rows):
        console.say("everything is there already")


def publish(targets: Sequence[Target], console: Console) -> None:
    """Publish to each target, and show what is there then."""
    _each("Published", targets, lambda target: target.publish(), console)


def promote(targets: Sequence[Target], console: Console) -> None:
    """Let everybody have, at each target, what only those had who test."""
    _each("Promoted", targets, lambda target: target.promote(), console)


def _each(title: str, targets: Sequence[Target], act: Callable[[Target], None], console: Console) -> None:
    rows = []
    for number, target in enumerate(targets):
        console.say(f"{target.name}: asking what is there")
        begun = time.monotonic()
        try:
            act(target)
        except ReleaseError as error:
            later = ", ".join(one.name for one in targets[number + 1 :])
            begun_not = f"; not begun: {later}" if later else ""
            raise _longer(error, f"{target.name}: {error}{begun_not}") from error
        items = target.state()
        rows.append([target.name, _summary(items), f"{time.monotonic() - begun:.1f} s"])
    console.table(title, ["target", "what is there", ">time"], rows)


def _longer(error: ReleaseError, message: str) -> ReleaseError:
    """The same kind of error with a longer message; its code and advice stay."""
    found = ReleaseError(message, hint=error.hint or _AGAIN)
    found.exit_code = error.exit_code
    return found


def _summary(items: Sequence[Item]) -> str:
    there = sum(item.state == State.THERE for item in items)
    return f"{there} of {len(items)}"


def _size(item: Item) -> str:
    return f"{item.size / 1e6:.1f} MB" if item.size else ""
