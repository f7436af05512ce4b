"""Compares what two artefacts did with the same events."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

from ci.verify.equivalence import normal
from ci.verify.equivalence.record import EventResult, Record

_CONTEXT = 40  # bytes of each side that a difference shows
_PANIC = "panic"  # the event of the Rust function


def differences(records: Sequence[Record]) -> list[str]:
    """A line for each difference: the two artefacts, the event, what differs, and the first byte that does.

    The records of a group are compared with its first one, byte for byte. The first ones are compared with each other
    in meaning.
    """
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.group, []).append(record)
    lines = [line for first, *others in groups.values() for other in others for line in _compared(first, other, str)]
    firsts = [members[0] for members in groups.values()]
    return lines + [line for other in firsts[1:] for line in _compared(firsts[0], other, normal.across)]


def without_panic(records: Sequence[Record]) -> list[str]:
    """The artefacts that no function panicked in: there is no Rust function for every C library."""
    return [record.artifact for record in records if _PANIC not in record.answers]


def _compared(one: Record, other: Record, meaning: Callable[[str], str]) -> Iterator[str]:
    between = f"{other.artifact} and {one.artifact}"
    for name in dict.fromkeys((*one.answers, *other.answers)):
        if name == _PANIC and not (name in one.answers and name in other.answers):
            continue  # the verdict says so, see `without_panic`
        if not (name in one.answers and name in other.answers):
            yield f"{between}: {name}: only one of them has this event"
            continue
        first, second = one.answers[name], other.answers[name]
        for part, left, right in _parts(first, second, meaning):
            if left != right:
                yield f"{between}: {name}: {part}: {_first_difference(right, left)}"


def _parts(
    first: EventResult, second: EventResult, meaning: Callable[[str], str]
) -> Iterator[tuple[str, bytes, bytes]]:
    """What is compared of two answers: the name of each part, and its bytes on both sides."""
    pairs = (
        ("kind of the answer", first.kind, second.kind),
        ("exit code", str(first.exit_code), str(second.exit_code)),
        ("headers", _headers(first, meaning), _headers(second, meaning)),
        ("log", meaning(first.log), meaning(second.log)),
    )
    for part, left, right in pairs:
        yield part, left.encode(), right.encode()
    if first.kind == second.kind == "response":
        yield "answer", first.body, second.body
    else:
        left, right = (meaning(answer.body.decode()) for answer in (first, second))
        yield "error document", left.encode(), right.encode()


def _headers(answer: EventResult, meaning: Callable[[str], str]) -> str:
    """The headers, one on a line; a value that is JSON is compared in meaning, and then all of them as one text."""
    return meaning(json.dumps({name: meaning(value) for name, value in answer.headers.items()}, indent=0))


def _first_difference(found: bytes, other: bytes) -> str:
    same = next((at for at, pair in enumerate(zip(found, other, strict=False)) if pair[0] != pair[1]), None)
    at = min(len(found), len(other)) if same is None else same
    begin = max(0, at - _CONTEXT // 2)
    shown = (repr(data[begin : begin + _CONTEXT])[1:] for data in (found, other))
    return f"they differ from byte {at} on: {' and '.join(shown)} (from byte {begin} on)"
