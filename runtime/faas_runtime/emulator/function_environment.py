"""The environment variables of a function: this process's, its own, and those that Lambda always sets."""

import math
import re

from ..errors import UsageError
from .options import DEFAULT_REGION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_LIMIT_S = 86400
# The values that AWS's emulator sets.
DEFAULTS = {
    "AWS_LAMBDA_FUNCTION_NAME": "test_function",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008",
    "AWS_LAMBDA_FUNCTION_TIMEOUT": "300",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/Functions",
    "AWS_LAMBDA_LOG_STREAM_NAME": "$LATEST",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "LAMBDA_RUNTIME_DIR": "/var/runtime",
    "LANG": "en_US.UTF-8",
    "TZ": ":UTC",
}
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")  # Lambda sets both, to the same value
# The characters that are allowed in values that become headers.
_IN_HEADERS = {
    "AWS_LAMBDA_FUNCTION_NAME": (re.compile(r"[A-Za-z0-9._-]+"), "letters, digits, `-`, `_` and `.`"),
    "AWS_LAMBDA_FUNCTION_VERSION": (re.compile(r"[A-Za-z0-9$._-]+"), "a number, or $LATEST"),
    **dict.fromkeys(REGIONS, (re.compile(r"[A-Za-z0-9-]+"), "a region such as us-east-1")),
}
# Variables of the emulator itself: a runtime that saw the first one would start an emulator in turn.
PRIVATE = ("FAAS_RUNTIME_LISTEN", "AWS_LAMBDA_RUNTIME_API")


def function_environment(
    variables: "Mapping[str, str]", own: "Mapping[str, str]", name: str = "", timeout: "str | None" = None
) -> "dict[str, str]":
    """The function's variables. `variables` are those of this process, `own` those of the function alone.

    The time zone and the language of this machine are left out: on Lambda, the function has others. A name and a
    timeout that are given override the variables. Raises `UsageError`.
    """
    environment = {key: value for key, value in variables.items() if key not in PRIVATE and not _is_locale(key)}
    environment.update(own)
    if name:
        environment["AWS_LAMBDA_FUNCTION_NAME"] = name
    _check_headers(environment)
    region = next(filter(None, map(environment.get, REGIONS)), DEFAULT_REGION)
    environment.update(dict.fromkeys(REGIONS, region))
    for key, value in DEFAULTS.items():
        if not environment.get(key):
            environment[key] = value
    if timeout is not None:
        environment["AWS_LAMBDA_FUNCTION_TIMEOUT"] = timeout
    _check_megabytes(environment, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
    return environment


def timeout_s(environment: "Mapping[str, str]") -> float:
    """The time limit of the function, in seconds. Raises `UsageError`."""
    text = environment["AWS_LAMBDA_FUNCTION_TIMEOUT"]
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= TIMEOUT_LIMIT_S:
        raise UsageError(
            f"the timeout is {text!r}; set it to a number of seconds above 0 and up to {TIMEOUT_LIMIT_S} (a day), "
            "such as --timeout 30"
        )
    return seconds


def _is_locale(name: str) -> bool:
    return name in ("LANG", "LANGUAGE", "TZ") or name.startswith("LC_")


def _check_headers(environment: "Mapping[str, str]") -> None:
    """Refuse values that would break the headers that they are sent in."""
    for name, (pattern, expected) in _IN_HEADERS.items():
        value = environment.get(name)
        if value and not pattern.fullmatch(value):
            raise UsageError(f"{name} is {value[:80]!r}; set it to {expected}, or not at all")


def _check_megabytes(environment: "Mapping[str, str]", name: str) -> None:
    text = environment[name]
    if not (text.isascii() and text.isdigit() and 0 < int(text[:12]) < 2**32):
        raise UsageError(f"{name} is {text!r}; set it to a whole number of megabytes, such as 128, or not at all")
