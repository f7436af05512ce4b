"""Pieces of HTML. A text is data, and is escaped; only an `Html` is put into the page as it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_KINDS = {
    "good": ("verified", "passed", "same", "within the budget"),
    "bad": ("failed", "different", "beyond the budget"),
}


class Html(str):
    """A text that is HTML already."""

    __slots__ = ()


def text(value: object) -> Html:
    """A value as HTML: escaped, unless it is `Html` already."""
    return value if isinstance(value, Html) else Html(escape(str(value)))


def element(name: str, *content: object, **attributes: str) -> Html:
    """An element; `class_` is the attribute `class`, and `data_label` is `data-label`."""
    named = ((key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
    written = "".join(f' {key}="{escape(value)}"' for key, value in named)
    return Html(f"<{name}{written}>{''.join(map(text, content))}</{name}>")


def paragraph(*content: object) -> Html:
    """A paragraph."""
    return element("p", *content)


def items(values: Iterable[object]) -> Html:
    """A list of points; nothing if there are none."""
    points = [element("li", value) for value in values]
    return element("ul", *points) if points else Html("")


def code(value: object) -> Html:
    """A name, a hash or a command."""
    return element("code", value)


def short(value: object) -> Html:
    """A name or the beginning of a hash that stays on one line."""
    return element("code", value, class_="short")


def status(value: str) -> Html:
    """A status in its colour: good, bad, or neither."""
    kind = next((kind for kind, known in _KINDS.items() if value in known), "warn")
    return element("span", value, class_=f"badge {kind}")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Html:
    """A table; columns with ">" are aligned to the right. On narrow screens each row is a block with labels."""
    names = [column.removeprefix(">") for column in columns]
    classes = [{"class_": "number"} if column.startswith(">") else {} for column in columns]
    head = element("tr", *(element("th", name, **class_) for name, class_ in zip(names, classes, strict=True)))
    body = [
        element(
            "tr",
            *(
                element("td", cell, data_label=name, **class_)
                for cell, name, class_ in zip(row, names, classes, strict=True)
            ),
        )
        for row in rows
    ]
    return element("table", element("thead", head), "\n", element("tbody", *(Html(f"{row}\n") for row in body)))


def folded(title: str, content: Html) -> Html:
    """Content that the reader unfolds; on paper it is unfolded."""
    return element("details", element("summary", title), content)
