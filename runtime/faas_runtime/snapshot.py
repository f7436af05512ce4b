"""SnapStart: the function is put into a snapshot after its initialisation, and restored from it any number of times."""

from .errors import AfterRestoreError, BeforeSnapshotError, Stopped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .connection import Connection
    from .function import Function


def wait_for_restore(function: "Function", connection: "Connection") -> None:
    """Go through a snapshot: the hook before it, the wait for the restore, the hook after it.

    Raises `Stopped`, and has shut the function down, when the process is asked to end meanwhile.
    """
    from .client import RuntimeApi

    client = RuntimeApi(connection)
    watcher = function.watch()
    try:
        function.run_hook("faas_before_snapshot", BeforeSnapshotError)
        watcher.follow(client)
        client.wait_for_restore()
        watcher.leave(client)
        function.run_hook("faas_after_restore", AfterRestoreError)
    except Stopped:
        function.shutdown()
        raise
