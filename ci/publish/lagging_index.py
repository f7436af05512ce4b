"""What the targets with an index share (PyPI, a registry of cargo): it may show late what was sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ci.core.errors import HostError
from ci.core.web import Refusal, UnknownOutcome, host_of
from ci.publish.target import Say

PAUSES_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
_FEW_PAUSES_S = PAUSES_S[:3]
_REPETITIONS = 2


def send(
    put: Callable[[], None],
    *,
    appears: Callable[[Sequence[float]], bool],
    explain: Callable[[Refusal], None],
    say: Say,
) -> None:
    """Send a file with `put`. After an outcome that nobody knows, the index is asked before it is sent again.

    `appears` asks the index now, and after each of the pauses that it is given. `explain` raises what a refusal means,
    or returns if it means that our bytes are there.
    """
    for repetition in range(_REPETITIONS + 1):
        try:
            put()
            return
        except UnknownOutcome as error:
            if repetition == _REPETITIONS:
                raise
            say(f"{error}; what came of it is asked of the index")
            if appears(_FEW_PAUSES_S):
                return
        except Refusal as refusal:
            explain(refusal)
            return


def shows(look: Callable[[], bool], pause: Callable[[float], None], pauses: Sequence[float] = PAUSES_S) -> bool:
    """Whether the index shows something, now or after one of the pauses, in seconds."""
    for seconds in pauses:
        if look():
            return True
        pause(seconds)
    return look()


def too_late(what: str, index: str) -> HostError:
    """The error for something that the index at an address has not shown after all pauses."""
    return HostError(
        f"{what}, and {host_of(index)} does not show it after {sum(PAUSES_S):.0f} s",
        hint="the index may lag behind: wait some minutes, and run the same command again",
    )
