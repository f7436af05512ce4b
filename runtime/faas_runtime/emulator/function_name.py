"""The names that a function is invoked by: a name, an ARN, or a part of one, each with or without a qualifier."""

import re

from .served_functions import CLASSIC_NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..sandbox.pool import Pool
    from .built_pool import BuiltPool
    from .served_functions import ServedFunctions

NAME_PATTERN = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
    r"([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
"""Lambda's own pattern, which its error messages quote. The constants below are the numbers of its groups."""
_PARTITION, _REGION, _ACCOUNT, _NAME, _QUALIFIER = 2, 3, 8, 10, 12
_VERSION = re.compile(r"\$LATEST|[0-9]+", re.ASCII)


class InvokedFunction:
    """A function under the name that it was invoked by."""

    __slots__ = ("arn", "name", "pool", "qualifier", "version")

    def __init__(self, name: str, qualifier: str, arn: str, version: str, pool: "Pool | BuiltPool | None") -> None:
        self.name = name
        self.qualifier = qualifier
        """The version or alias; empty: none was given."""
        self.arn = arn
        self.version = version
        """The version that is executed: the qualifier if it is one, or else the configured version."""
        self.pool = pool
        """What runs it; None: there is no such function."""


def resolve(name: str, qualifier: str, functions: "ServedFunctions") -> InvokedFunction:
    """The function that a name stands for. `name` matches `NAME_PATTERN`; a qualifier in it overrides `qualifier`."""
    found = re.fullmatch(NAME_PATTERN, name, re.ASCII)
    assert found is not None, "the name has been checked"
    qualifier = found[_QUALIFIER] or qualifier
    function_name = found[_NAME]
    served = functions.by_name(function_name)
    options = (served or functions.default).options
    configured = options.function_name if function_name == CLASSIC_NAME else function_name
    arn = options.arn(
        configured,
        qualifier,
        partition=found[_PARTITION] or "",
        region=(found[_REGION] or "").rstrip(":"),
        account=(found[_ACCOUNT] or "").rstrip(":"),
    )
    version = qualifier if _VERSION.fullmatch(qualifier) else options.version
    return InvokedFunction(function_name, qualifier, arn, version, served.pool if served is not None else None)
