"""How long a server wants to be left alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

_WITHOUT_A_TIME_S = 60.0  # what GitHub asks for at least if it names no time
_YEAR_S = 366 * 86_400.0


def seconds_to_wait(status: int, headers: Mapping[str, str], said: str, now: float) -> float | None:
    """The seconds to wait for after an answer; None if it limits nothing.

    `headers` have names in lower case, `said` are the words of the answer. `Retry-After` (RFC 9110, section 10.2.3)
    counts, then `x-ratelimit-reset`. A 403 is a limit if it says so in one of these ways, a 503 if it says when to come
    back, and a 429 always.
    """
    if status not in (403, 429, 503):
        return None
    after = _after(headers.get("retry-after", "").strip(), now)
    if after is None and headers.get("x-ratelimit-remaining", "").strip() == "0":
        reset = _number(headers.get("x-ratelimit-reset", "").strip())
        after = None if reset is None else reset - now
    if after is None:
        named = status == 429 or (status == 403 and "rate limit" in said.lower())
        return _WITHOUT_A_TIME_S if named else None
    return min(max(0.0, after), _YEAR_S)  # a longer time is no time that can be shown


def _after(value: str, now: float) -> float | None:
    if (seconds := _number(value)) is not None:
        return seconds
    try:
        date = parsedate_to_datetime(value)
        return (date if date.tzinfo else date.replace(tzinfo=dt.UTC)).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return None


def _number(value: str) -> float | None:
    return float(value) if value.isascii() and value.isdecimal() else None
