"""`dist/report.html`: what is known about the artefacts in `dist/`, on one page without scripts or outside resources.

The page is made of the JSON files in `dist/` and of nothing else, so the same files give the same bytes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

from ci.core.files import write_atomically
from ci.core.state import read_json
from ci.pipeline.report import PAGE
from ci.prove import page_proofs, page_release
from ci.prove.html import Html, element, paragraph
from ci.prove.page_data import OTHER_FORM, Documents

_STYLE = Path(__file__).with_name("page.css")
_SECTIONS: tuple[tuple[str, Callable[[Documents], Html]], ...] = (
    ("Artefacts", page_release.artifacts),
    ("Sizes", page_release.sizes),
    ("Gates", page_proofs.gates),
    ("Since the previous release", page_release.changes),
    ("Consistency", page_proofs.consistency),
    ("Reproducibility", page_proofs.reproducibility),
    ("Waivers", page_release.waivers),
    ("Source and tools", page_release.origin),
)


def read(dist: Path) -> Documents:
    """What is in `dist/`; `artifacts.json` must be there."""
    documents = {name: read_json(dist / f"{name}.json") for name in ("comparison", "consistency", "reproducibility")}
    return Documents(release=read_json(dist / "artifacts.json"), **documents)


def write(dist: Path) -> None:
    """Write the page, whole or not at all; `artifacts.json` must be there."""
    write_atomically(dist / PAGE, page(read(dist)).encode())


def page(facts: Documents) -> str:
    """The whole page."""
    release = facts.release
    day = dt.datetime.fromtimestamp(release["source_date_epoch"], dt.UTC).date().isoformat()
    title = f"{release['name']} {release['version']}"
    head = element(
        "head",
        Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        element("title", f"{title}: report"),
        element("style", Html(_STYLE.read_text(encoding="utf-8"))),
    )
    sections = (
        element("section", element("h2", name), Html("\n"), _section(name, make, facts), Html("\n"))
        for name, make in _SECTIONS
    )
    body = element(
        "main",
        element("h1", title),
        element("p", f"Release of {day}, {page_release.source(release['source'])}", class_="quiet"),
        page_release.allowances(facts),
        page_proofs.tiles(facts),
        *sections,
    )
    return f'<!doctype html>\n<html lang="en">\n{head}\n<body>\n{body}\n</body>\n</html>\n'


def _section(name: str, make: Callable[[Documents], Html], facts: Documents) -> Html:
    try:
        return make(facts)
    except OTHER_FORM as error:
        problem = f"{type(error).__name__}: {error}"
        return paragraph(f"{name}: not shown, because its file has another form than this version writes ({problem}).")
