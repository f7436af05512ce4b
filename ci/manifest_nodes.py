"""YAML to plain data that knows where each value stands. The only module that imports yaml.

YAML is taken at its plainest: mappings, lists, quoted and unquoted scalars. Anchors, aliases, tags and merge
keys are refused (a few lines of them can stand for gigabytes). A text without quotes that YAML, in any of its
versions, may read as a number, a date or a truth value is no text: it becomes `Unquoted`, which no key takes.
Every fault is kept with its position, and reading goes on.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import yaml

from ci.manifest_text import REPORTED, Fault, shown

Path = tuple[str | int, ...]
_Marked = list[tuple[yaml.Node, str]]

_DEEPEST = 16
_STR = "tag:yaml.org,2002:str"
_INT = "tag:yaml.org,2002:int"
_NULL = "tag:yaml.org,2002:null"
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,17})", re.ASCII)
# What begins like a number is one to some YAML reader, or will be after the next edit: 1.2rc1 becomes 1.2.
_NUMBERLIKE = re.compile(r"[-+.]?[0-9]", re.ASCII)
_TRUTHLIKE = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "~"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spot:
    """Where a value stands: line and column from 1, and its first and last offset in the text."""

    line: int
    column: int
    start: int = 0
    end: int = 0


@dataclasses.dataclass(frozen=True)
class Unquoted:
    """A value that needs quotes to be a text, and is no plain number either."""

    raw: str

    def __str__(self) -> str:
        """Return it as it stands in the file."""
        return shown(self.raw)[1:-1]


@dataclasses.dataclass(kw_only=True)
class Document:
    """The data of one YAML file, the spot of each value and key, and what was already found wrong."""

    file: str
    text: str
    data: Any = None
    values: dict[Path, Spot] = dataclasses.field(default_factory=dict)
    keys: dict[Path, Spot] = dataclasses.field(default_factory=dict)
    unquoted: dict[Path, str] = dataclasses.field(default_factory=dict)
    wrong: set[Path] = dataclasses.field(default_factory=set)
    faults: list[Fault] = dataclasses.field(default_factory=list)

    def fault(self, path: Path, text: str) -> None:
        """Note what is wrong with a value; what else is found in the same value is then a consequence."""
        self.wrong.add(path)
        self.fault_at(self.values.get(path) or Spot(line=1, column=1), path, text)

    def fault_at(self, spot: Spot, path: Path, text: str) -> None:
        """Note what is wrong at a spot other than the value's, such as its key's."""
        self.faults.append(Fault(file=self.file, line=spot.line, column=spot.column, key=spell(path), text=text))

    def is_wrong(self, path: Path) -> bool:
        """Say whether a fault of the value, or of something that holds it, is already known."""
        return any(path[:length] in self.wrong for length in range(len(path) + 1))


def spell(path: Path) -> str:
    """Spell a path as a person writes it: `images.platforms[0]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", part) else shown(part)
            text += f".{name}" if text else name
    return text


def read(text: str, file: str) -> Document:
    """Parse one YAML document. Data is None where nothing could be read, and then there is a fault."""
    document = Document(file=file, text=text)
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        _unreadable(document, error.problem or "cannot be read", mark)
        return document
    except yaml.reader.ReaderError as error:  # what `manifest_text.decode` has let through
        _unreadable(document, str(error.reason), None)
        return document
    except (ValueError, OverflowError):  # an escape beyond Unicode, a directive with a number beyond sense
        _unreadable(document, "a number that is too large", loader.get_mark())
        return document
    if node is not None:
        document.data = _Walk(document, loader.marked).value(node, ())
    if document.data is None:
        document.fault((), "is empty; the manifest of a release")
    return document


def _unreadable(document: Document, problem: str, mark: yaml.Mark | None) -> None:
    spot = Spot(line=mark.line + 1, column=mark.column + 1) if mark else Spot(line=1, column=1)
    if "but found another document" in problem:
        text = "a second document begins; one document"
    elif problem.startswith("nested"):
        text = problem
    else:
        text = f"not YAML: {problem}; `key: value`, indented by spaces, in quotes where it holds `: ` or ` #`"
    document.fault_at(spot, (), text)


class _Loader(yaml.SafeLoader):
    """Composes nodes; what is refused is marked on its node, since the key path is only known later."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.marked: _Marked = []
        self.depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        parser: Any = super()
        event: Any = parser.peek_event()
        start, end = event.start_mark, event.end_mark
        if isinstance(event, yaml.AliasEvent):
            parser.get_event()
            node: yaml.Node = yaml.ScalarNode(_STR, REPORTED, start, end, style='"')
            self.marked.append((node, f"is an alias (*{event.anchor}); the value itself"))
            return node
        refused = []
        if event.anchor is not None:
            refused.append(f"has an anchor (&{event.anchor}); the value alone")
            event.anchor = None
        if event.tag is not None:
            refused.append(f"has a tag ({shown(event.tag)}); the value alone")
            event.tag = None
            plain = getattr(event, "style", None) is None
            event.implicit = (plain, not plain) if isinstance(event, yaml.ScalarEvent) else True
        if self.depth >= _DEEPEST:
            problem = f"nested more than {_DEEPEST} levels deep; the manifest has four"
            raise yaml.composer.ComposerError(None, None, problem, start)
        self.depth += 1
        composed: yaml.Node | None = parser.compose_node(parent, index)
        self.depth -= 1
        if composed is not None:
            self.marked.extend((composed, text) for text in refused)
        return composed


class _Walk:
    """Turns nodes into data, one path at a time."""

    def __init__(self, document: Document, marked: _Marked) -> None:
        self.document = document
        self.marked: dict[int, list[str]] = {}
        for node, text in marked:
            self.marked.setdefault(id(node), []).append(text)

    def value(self, node: yaml.Node, path: Path) -> Any:
        self.document.values[path] = _spot(node)
        for text in self.marked.get(id(node), []):
            self.document.fault(path, text)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            spot = _spot(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self.document.fault_at(spot, path, "a key that is a list or a mapping; one word")
                continue
            key = key_node.value
            if key == "<<":
                self.document.fault_at(spot, (*path, key), "is a merge key; the keys themselves")
                continue
            for text in self.marked.get(id(key_node), []):
                self.document.fault_at(spot, (*path, key), f"the key {text}")
            if key in data:
                first = self.document.keys[*path, key].line
                self.document.fault_at(spot, (*path, key), f"stands twice, first on line {first}; once")
                continue
            self.document.keys[*path, key] = spot
            data[key] = self.value(value_node, (*path, key))
        return data

    def _scalar(self, node: Any, path: Path) -> Any:
        raw: str = node.value
        if REPORTED in raw:
            self._replacement(path)
        if node.style is not None:
            return raw
        self.document.unquoted[path] = raw
        if node.tag == _NULL:
            return None
        if node.tag == _INT and _DECIMAL.fullmatch(raw):
            return int(raw)
        if node.tag != _STR or _NUMBERLIKE.match(raw) or raw.lower() in _TRUTHLIKE:
            return Unquoted(raw)
        return raw

    def _replacement(self, path: Path) -> None:
        spot = self.document.values[path]
        written = REPORTED in self.document.text[spot.start : spot.end]
        if written or self.document.is_wrong(path):
            self.document.wrong.add(path)
        else:  # by an escape, so nothing is reported yet
            self.document.fault(path, "holds the replacement character U+FFFD; the character that was meant")


def _spot(node: yaml.Node) -> Spot:
    start, end = node.start_mark, node.end_mark
    return Spot(line=start.line + 1, column=start.column + 1, start=start.index, end=end.index)
