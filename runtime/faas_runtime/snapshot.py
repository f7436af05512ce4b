"""SnapStart: the function is put into a snapshot after its initialisation, and restored from it any number of times."""

from .errors import AfterRestoreError, BeforeSnapshotError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .connection import Connection
    from .function import Function


def wait_for_restore(function: "Function", connection: "Connection") -> None:
    """Go through a snapshot: the hook before it, the wait for the restore, the hook after it."""
    function.run_hook("faas_before_snapshot", BeforeSnapshotError)
    from .client import RuntimeApi

    RuntimeApi(connection).wait_for_restore()
    function.run_hook("faas_after_restore", AfterRestoreError)
