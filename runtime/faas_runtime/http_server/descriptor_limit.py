"""The limit of open files: raised for the server, and restored for its child processes."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

try:
    import resource
except ImportError:  # Windows has no such limit, but `select` takes 512 sockets there
    resource = None  # type: ignore[assignment]

MOST = 65536  # the limit that the server sets if the system allows it; each connection needs one descriptor
WITHOUT_LIMIT = 512  # what the server counts with where the system has no limit

_original: "Any" = None


def raise_limit() -> int:
    """Raise the limit of this process as far as the system allows and the server can use; returns the new limit."""
    global _original
    if resource is None:
        return WITHOUT_LIMIT
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return most
    for wanted in (most, 10240):  # macOS refuses more than OPEN_MAX
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(wanted, soft), hard))
        except (OSError, ValueError):
            continue
        _original = soft, hard
        return max(wanted, soft)
    return soft


def restore_limit(pid: int) -> None:
    """Give a child process that was just started the original limit.

    Where the system cannot set the limit of another process (macOS), the child keeps the raised one. No code can run
    safely in the child between its start and its exec, as this process may have threads.
    """
    if _original is not None and hasattr(resource, "prlimit"):
        try:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, _original)
        except OSError:
            pass  # the child has ended already, or the system forbids it
