"""Why there is no library at any path of a handler. Imported only when there is none."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def why_missing(paths: "Sequence[str]", symbol: str, suffix: str) -> str:
    """The message for a handler whose library may be at these paths, none of which is a file."""
    stem = paths[-1][: -len(suffix)]
    named = next((path for path in (stem, f"{stem}.{symbol}") if os.path.isfile(path)), None)
    if named is not None:
        return without_suffix(named, suffix)
    similar = next(filter(None, map(_with_other_dashes, paths)), "")
    places = f"the function's library was not found at {', '.join(paths)}"
    if similar:
        return f"{places}, but {similar} exists; write - and _ in the handler as in the name of the file"
    return f"{places}; check the handler's name (LIBRARY.SYMBOL, or a path) and LAMBDA_TASK_ROOT"


def without_suffix(path: str, suffix: str) -> str:
    """The message for a file that is named like a library, but without the suffix."""
    return f"{path} exists, but the name of a library has to end in {suffix}; rename it if it is one"


def _with_other_dashes(path: str) -> str:
    """A file beside the path whose name has `_` for `-`, as cargo writes it, or the other way round; empty: none."""
    folder, name = os.path.split(path)
    try:
        names = sorted(os.listdir(folder or "."))
    except OSError:
        return ""
    similar = [os.path.join(folder, each) for each in names if each.replace("-", "_") == name.replace("-", "_")]
    return next(filter(os.path.isfile, similar), "")
