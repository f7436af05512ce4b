"""The commands of docs/releasing.md, step by step, as a reader takes them from there."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from tests.docs.pages import DOCS

_STEPS = re.compile(r"(?ms)^### ([^\n]+)\n(.*?)(?=^### |\Z)")


@dataclass(frozen=True, kw_only=True)
class StepCommand:
    """A command of a step. `words` are those of the session after `nox -s`, or of the program."""

    step: str
    session: bool
    words: tuple[str, ...]

    def __str__(self) -> str:
        return shlex.join(("nox", "-s", *self.words) if self.session else self.words)


def commands() -> list[StepCommand]:
    """Every command of "A release, step by step", in the order of the page. A comment behind one is left out."""
    section = (DOCS / "releasing.md").read_text().partition("\n## A release, step by step\n")[2].partition("\n## ")[0]
    found = []
    for step, text in _STEPS.findall(section):
        for line in re.findall(r"(?m)^    (\S.*)$", text):
            words = shlex.split(line, comments=True)
            session = words[:2] == ["nox", "-s"]
            if session:
                words = [word for word in words[2:] if word != "--"]
            found.append(StepCommand(step=step, session=session, words=tuple(words)))
    return found
