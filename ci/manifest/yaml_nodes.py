"""YAML to plain data with the position of each value. The only module that imports yaml.

A part of YAML is accepted: mappings, lists, quoted and unquoted scalars. Anchors, aliases, tags and merge keys are
refused: a few lines of them can expand to gigabytes. Text without quotes that some version of YAML may read as a
number, a date or a truth value becomes `Unquoted`, which no key accepts. Every fault is kept with its position, and
reading goes on.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import yaml

from ci.manifest.text import REPORTED, ManifestFault, shown

KeyPath = tuple[str | int, ...]
_Marked = list[tuple[yaml.Node, str]]

_MAX_DEPTH = 16
_STR = "tag:yaml.org,2002:str"
_INT = "tag:yaml.org,2002:int"
_NULL = "tag:yaml.org,2002:null"
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,17})", re.ASCII)
# Some reader of YAML takes what begins like a number for one, or will after the next edit: 1.2rc1 becomes 1.2.
_NUMBERLIKE = re.compile(r"[-+.]?[0-9]", re.ASCII)
_TRUTHLIKE = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "~"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Position:
    """Where a value is: line and column from 1, and the offsets of its start and end in the text."""

    line: int
    column: int
    start: int = 0
    end: int = 0


@dataclasses.dataclass(frozen=True)
class Unquoted:
    """A value without quotes that is neither a string nor a plain number."""

    raw: str

    def __str__(self) -> str:
        """The value as it is written in the file."""
        return shown(self.raw)[1:-1]


@dataclasses.dataclass(kw_only=True)
class YamlDocument:
    """The data of one YAML file, the position of each value and key, and the faults found so far."""

    file: str
    text: str
    data: Any = None
    values: dict[KeyPath, Position] = dataclasses.field(default_factory=dict)
    keys: dict[KeyPath, Position] = dataclasses.field(default_factory=dict)
    unquoted: dict[KeyPath, str] = dataclasses.field(default_factory=dict)
    wrong: set[KeyPath] = dataclasses.field(default_factory=set)
    faults: list[ManifestFault] = dataclasses.field(default_factory=list)

    def fault(self, path: KeyPath, text: str) -> None:
        """Add a fault of a value. Other faults of the same value are then regarded as its consequences."""
        self.wrong.add(path)
        self.fault_at(self.values.get(path) or Position(line=1, column=1), path, text)

    def fault_at(self, position: Position, path: KeyPath, text: str) -> None:
        """Add a fault at another position than the value's, such as its key's."""
        self.faults.append(
            ManifestFault(file=self.file, line=position.line, column=position.column, key=key_text(path), text=text)
        )

    def is_wrong(self, path: KeyPath) -> bool:
        """Whether there is a fault of the value, or of a list or mapping that contains it."""
        return any(path[:length] in self.wrong for length in range(len(path) + 1))


def key_text(path: KeyPath) -> str:
    """The path as people write it: `images.platforms[0]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", part) else shown(part)
            text += f".{name}" if text else name
    return text


def read(text: str, file: str) -> YamlDocument:
    """Parse one YAML document. If nothing can be read, the data is None and there is a fault."""
    document = YamlDocument(file=file, text=text)
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        _add_syntax_fault(document, *_problem(error))
        return document
    except yaml.reader.ReaderError as error:  # a character that `text.decode` accepts
        _add_syntax_fault(document, str(error.reason), None)
        return document
    except (ValueError, OverflowError):  # an escape outside Unicode, a directive with a huge number
        _add_syntax_fault(document, "a number that is too large", loader.get_mark())
        return document
    if node is not None:
        document.data = _Walk(document, loader.marked).value(node, ())
    if document.data is None:
        document.fault((), "is empty; expected the manifest of a release")
    return document


def _problem(error: yaml.MarkedYAMLError) -> tuple[str, yaml.Mark | None]:
    """What is wrong, and where. Of a quote that nothing closes, the reader must look at its beginning."""
    if error.problem in _NEVER_CLOSED and error.context == "while scanning a quoted scalar":
        return _OPEN_QUOTE, error.context_mark
    return error.problem or "cannot be read", error.problem_mark or error.context_mark


_OPEN_QUOTE = "this quote is never closed; write the same quote after the text"
_NEVER_CLOSED = ("found unexpected end of stream", "found unexpected document separator")


def _add_syntax_fault(document: YamlDocument, problem: str, mark: yaml.Mark | None) -> None:
    position = Position(line=mark.line + 1, column=mark.column + 1) if mark else Position(line=1, column=1)
    if "but found another document" in problem:
        text = "a second document begins; keep one document"
    elif problem.startswith("nested") or problem == _OPEN_QUOTE:
        text = problem
    else:
        form = "`key: value`, indented with spaces, in quotes where it contains `: ` or ` #`"
        text = f"not YAML: {problem}; expected {form}"
    document.fault_at(position, (), text)


class _Loader(yaml.SafeLoader):
    """Composes nodes. Faults are marked on their nodes, since the path of keys is known only later."""

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
            self.marked.append((node, f"is an alias (*{event.anchor}); write the value itself"))
            return node
        refused = []
        if event.anchor is not None:
            refused.append(f"has an anchor (&{event.anchor}); write the value without it")
            event.anchor = None
        if event.tag is not None:
            refused.append(f"has a tag ({shown(event.tag)}); write the value without it")
            event.tag = None
            plain = getattr(event, "style", None) is None
            event.implicit = (plain, not plain) if isinstance(event, yaml.ScalarEvent) else True
        if self.depth >= _MAX_DEPTH:
            problem = f"nested more than {_MAX_DEPTH} levels deep; the manifest has four levels"
            raise yaml.composer.ComposerError(None, None, problem, start)
        self.depth += 1
        composed: yaml.Node | None = parser.compose_node(parent, index)
        self.depth -= 1
        if composed is not None:
            self.marked.extend((composed, text) for text in refused)
        return composed


class _Walk:
    """Turns nodes into data, and marked faults into faults with their paths."""

    def __init__(self, document: YamlDocument, marked: _Marked) -> None:
        self.document = document
        self.marked: dict[int, list[str]] = {}
        for node, text in marked:
            self.marked.setdefault(id(node), []).append(text)

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        self.document.values[path] = _position(node)
        for text in self.marked.get(id(node), []):
            self.document.fault(path, text)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            position = _position(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self.document.fault_at(position, path, "a key is a list or a mapping; expected one word")
                continue
            key = key_node.value
            if key == "<<":
                self.document.fault_at(position, (*path, key), "is a merge key; write the keys themselves")
                continue
            for text in self.marked.get(id(key_node), []):
                self.document.fault_at(position, (*path, key), f"the key {text}")
            if key in data:
                first = self.document.keys[*path, key].line
                duplicate = f"is a duplicate of the key on line {first}; remove one of them"
                self.document.fault_at(position, (*path, key), duplicate)
                continue
            self.document.keys[*path, key] = position
            data[key] = self.value(value_node, (*path, key))
        return data

    def _scalar(self, node: Any, path: KeyPath) -> Any:
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

    def _replacement(self, path: KeyPath) -> None:
        position = self.document.values[path]
        written = REPORTED in self.document.text[position.start : position.end]
        if written or self.document.is_wrong(path):
            self.document.wrong.add(path)
        else:  # written as an escape, so not reported yet
            self.document.fault(path, "contains the replacement character U+FFFD; write the original character")


def _position(node: yaml.Node) -> Position:
    start, end = node.start_mark, node.end_mark
    return Position(line=start.line + 1, column=start.column + 1, start=start.index, end=end.index)
