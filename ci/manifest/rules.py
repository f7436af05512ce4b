"""What a manifest must contain: the faults that the schema finds, in plain words, and rules that a schema cannot state.

A fault of a key is reported once: by `FIELD_RULES` if it is about the spelling of a value, otherwise by
`release.schema.json`. Rules about several keys are in `ci.manifest.release`.
"""

from __future__ import annotations

import datetime as dt
import difflib
import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from ci.manifest import versions
from ci.manifest.text import shown, text_fault
from ci.manifest.yaml_nodes import KeyPath, Unquoted, YamlDocument

SCHEMA = Path(__file__).with_name("release.schema.json")
_OLDEST_ZIP = dt.date(1980, 1, 1)
_LATEST = dt.date(2105, 12, 31)  # RPM and gzip have seconds since 1970 in 32 bits
_ARTICLES = ("a", "an", "the")


def check(document: YamlDocument) -> None:
    """Check the data of a document, and add what is wrong to its faults."""
    errors = list(_validator().iter_errors(document.data))
    for path, value in _texts(document.data, ()):
        wrong = None if document.is_wrong(path) else text_fault(value) or _field_fault(path, value)
        if wrong:
            document.fault(path, wrong if value == "" else f"{shown(value)} {wrong}")
    # The innermost first: otherwise a fault of a list would hide those of its items.
    for error in sorted(errors, key=lambda error: -len(error.absolute_path)):
        _translate(document, error)


@functools.cache
def _validator() -> Any:
    return jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def _texts(data: object, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(data, str):
        yield path, data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from _texts(value, (*path, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _texts(value, (*path, index))


def _field_fault(path: KeyPath, value: str) -> str | None:
    rule = FIELD_RULES.get(tuple(part for part in path if isinstance(part, str)))
    return rule(value) if rule and value else None


def _version(text: str) -> str | None:
    try:
        versions.parse(text)
    except ValueError as error:
        return str(error)
    return None


def _date(text: str) -> str | None:
    try:
        date = dt.date.fromisoformat(text)
    except ValueError:
        date = None
    if date is None or date.isoformat() != text:
        return 'is not a date; expected one such as "2026-11-23"'
    if date < _OLDEST_ZIP:
        return f'is too early for the timestamps in a wheel; expected "{_OLDEST_ZIP}" or later'
    if date > _LATEST:
        return f'is too late for the timestamps in an RPM; expected "{_LATEST}" or earlier'
    return None


def _summary(text: str) -> str | None:
    if text.split(" ")[0].lower() in _ARTICLES:
        return "begins with an article; remove it"
    if not ("A" <= text[0] <= "Z"):
        return "does not begin with a capital letter; change the first letter"
    if text.endswith("."):
        return "ends with a full stop; remove it"
    return None


def _license(text: str) -> str | None:
    try:
        canonical = canonicalize_license_expression(text)
    except InvalidLicenseExpression:
        return 'is not an SPDX licence expression; expected one such as "Apache-2.0" or "MIT OR Apache-2.0"'
    return None if canonical == text else f'is not the canonical SPDX expression; write "{canonical}"'


def _url(text: str) -> str | None:
    try:
        parts = urlsplit(text)
        host, port, user = parts.hostname, parts.port, parts.username
    except ValueError:
        return "is not a URL; expected an https URL"
    if parts.scheme != "https":
        return 'is not an https URL; expected "https://..."'
    if user is not None or "@" in parts.netloc:
        return "contains a user name; remove it"
    if not host or (port is None and parts.netloc != host):
        return "has no host, or one in another spelling; expected a host in lower case"
    if ".." in parts.path.split("/"):
        return "contains `..`; remove it"
    return None


def _inside(text: str) -> str | None:
    parts = re.split(r"[/\\]", text)
    if text.startswith(("/", "\\", "~")) or ".." in parts or ":" in parts[0]:
        return "is outside the repository; expected a path below its root"
    return None


FIELD_RULES: dict[tuple[str, ...], Callable[[str], str | None]] = {
    ("version",): _version,
    ("date",): _date,
    ("summary",): _summary,
    ("license",): _license,
    ("home",): _url,
    ("documentation",): _url,
    ("source", "url"): _url,
    ("waivers", "file"): _inside,
    ("waivers", "until"): _date,
    ("keys", "packages", "file"): _inside,
    ("keys", "packages", "until"): _date,
    ("keys", "attestations", "ed25519"): _inside,
}


def _translate(document: YamlDocument, error: Any) -> None:
    path: KeyPath = tuple(error.absolute_path)
    if error.validator == "additionalProperties":
        for key in error.instance.keys() - error.schema["properties"].keys():
            _unknown_key(document, path, key, error)
    elif error.validator == "required":
        _missing_keys(document, path, error)
    elif not document.is_wrong(path):
        # Only one fault per value: others are consequences of the first.
        document.fault(path, _sentence(document, path, error))


def _unknown_key(document: YamlDocument, path: KeyPath, key: str, error: Any) -> None:
    known = error.schema["properties"].keys()
    near = _nearest(key, known - error.instance.keys()) or _nearest(key, known)
    expected = f'did you mean "{near}"?' if near else "expected one of " + ", ".join(known)
    where = (*path, key)
    document.fault_at(document.keys[where], where, f"unknown key; {expected}")


def _missing_keys(document: YamlDocument, path: KeyPath, error: Any) -> None:
    unknown = error.instance.keys() - error.schema["properties"].keys()
    required = [key for key in error.validator_value if key not in error.instance]
    # A misspelt key is not reported as missing as well.
    misspelt = {_nearest(key, required) for key in unknown}
    for key in required:
        where = (*path, key)
        if key not in misspelt:
            position = document.keys.get(path) or document.values[path]
            about = error.schema["properties"][key].get("description", "")
            document.fault_at(position, where, f"is missing; expected {about[:1].lower() + about[1:]}".rstrip("."))


def _nearest(word: str, known: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(word.lower(), sorted(known), n=1)), None)


def _sentence(document: YamlDocument, path: KeyPath, error: Any) -> str:
    """What is wrong with a value and what is expected, for a fault that the schema found."""
    value, limit = error.instance, error.validator_value
    if error.validator == "type" or value is None:
        return _type_sentence(document, path, error)
    match error.validator:
        case "enum":
            near = _nearest(value, limit) if isinstance(value, str) else None
            advice = f'did you mean "{near}"?' if near else f"expected {_choice(limit)}"
            return f"{_shown(value)} is unknown; {advice}"
        case "const":
            return f"{_shown(value)} is not supported; expected {json.dumps(limit)}"
        case "pattern":
            return f"{shown(value)} is not valid; expected {error.schema['patternErrorMessage']}"
        case "minLength" | "minItems":
            return f"is empty; expected {_expected(error.schema)}"
        case "maxLength":
            return f"is {len(value)} characters long; the limit is {limit}"
        case "uniqueItems":
            twice = next(item for index, item in enumerate(value) if item in value[:index])
            return f"{_shown(twice)} is listed twice; list it once"
        case "minimum":
            return f"{value} is too small; expected {limit} or more"
        case "maximum":
            return f"{value} is too large; expected {limit} or less"
    return f"{_shown(value)} is not valid; expected {_expected(error.schema)}"


def _type_sentence(document: YamlDocument, path: KeyPath, error: Any) -> str:
    raw = document.unquoted.get(path)
    wanted = error.schema.get("type")
    if raw is not None and wanted == "string":
        if error.instance is None and raw == "":
            return f"is empty; expected {_expected(error.schema)}"
        return f'{_raw(raw)} is not in quotes; write "{_raw(raw)}"'
    if wanted == "integer" and isinstance(error.instance, Unquoted):
        return f"{error.instance} is not a whole number; expected decimal digits"
    if wanted == "integer" and isinstance(error.instance, str) and error.instance.isdigit():
        return f"{shown(error.instance)} is in quotes; write {error.instance}"
    names = {
        "string": "a string",
        "integer": "a whole number",
        "array": "a list",
        "object": "a mapping",
    }
    found = f"the string {shown(error.instance)}" if isinstance(error.instance, str) else _kind(error.instance)
    return f"expected {names.get(wanted, _expected(error.schema))}, found {found}"


def _raw(text: str) -> str:
    return shown(text)[1:-1]


def _kind(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case str():
            return "a string"
    return "a number"


def _shown(value: object) -> str:
    return _kind(value) if value is None or isinstance(value, dict | list) else shown(value)


def _choice(items: list[str]) -> str:
    *others, last = (f'"{item}"' for item in items)
    return f"{', '.join(others)} or {last}" if others else last


def _expected(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return _choice(schema["enum"])
    text: str = schema.get("patternErrorMessage") or schema.get("description") or "a value"
    return (text[0].lower() + text[1:]).rstrip(".")
