"""How many descriptors there may be: more for the emulator than for the functions, which find what was there before."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

try:
    import resource
except ImportError:  # Windows has no such limit
    resource = None  # type: ignore[assignment]

MOST = 65536  # as many as are asked for; each connection needs one
CONNECTIONS = 20000  # where there is no limit

_before: "Any" = None


def raise_limit() -> int:
    """Raise the limit of this process as far as the system lets us, and we can use; returns it."""
    global _before
    if resource is None:
        return CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return most
    for wanted in (most, 10240):  # macOS: more than OPEN_MAX is refused
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(wanted, soft), hard))
        except (OSError, ValueError):
            continue
        _before = soft, hard
        return max(wanted, soft)
    return soft


def restore_limit(pid: int) -> None:
    """Give a child that was just started the limit that there was before; where the system cannot (macOS), it has ours.

    Between its start and its exec, nothing of ours can run in a child soundly, as there are threads.
    """
    if _before is not None and hasattr(resource, "prlimit"):
        try:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, _before)
        except OSError:
            pass  # it has ended already, or the system forbids it
