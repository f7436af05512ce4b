"""The names that a function is invoked by: a name, an ARN, or a part of one, each with or without a qualifier."""

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .options import FunctionOptions

CLASSIC_NAME = "function"  # in the well-known path of AWS's emulator; it stands for the configured name
NAME_PATTERN = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
    r"([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
"""Lambda's own pattern, which its error messages quote. The constants below are the numbers of its groups."""
_PARTITION, _REGION, _ACCOUNT, _NAME, _QUALIFIER = 2, 3, 8, 10, 12
_VERSION = re.compile(r"\$LATEST|[0-9]+", re.ASCII)


class InvokedFunction:
    """The function under the name that it was invoked by. Every name is a name of the one function."""

    __slots__ = ("arn", "name", "qualifier", "version")

    def __init__(self, name: str, qualifier: str, arn: str, version: str) -> None:
        self.name = name
        self.qualifier = qualifier
        """The version or alias; empty: none was given."""
        self.arn = arn
        self.version = version
        """The version that is executed: the qualifier if it is one, or else the configured version."""


def resolve(name: str, qualifier: str, options: "FunctionOptions") -> InvokedFunction:
    """The function that a name stands for. `name` matches `NAME_PATTERN`; a qualifier in it overrides `qualifier`."""
    found = re.fullmatch(NAME_PATTERN, name, re.ASCII)
    assert found is not None, "the name has been checked"
    qualifier = found[_QUALIFIER] or qualifier
    function_name = found[_NAME]
    configured = options.function_name if function_name == CLASSIC_NAME else function_name
    arn = options.arn(
        configured,
        qualifier,
        partition=found[_PARTITION] or "",
        region=(found[_REGION] or "").rstrip(":"),
        account=(found[_ACCOUNT] or "").rstrip(":"),
    )
    version = qualifier if _VERSION.fullmatch(qualifier) else options.version
    return InvokedFunction(function_name, qualifier, arn, version)
