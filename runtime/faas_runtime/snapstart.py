"""SnapStart: the function is put into a snapshot after its initialisation, and restored from it any number of times."""

from .errors import InitError, RuntimeApiError, Stopped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .client import RuntimeApiClient
    from .connection import RuntimeApiConnection
    from .function import Function


class BeforeSnapshotError(InitError):
    """The hook before the snapshot failed."""

    exit_code = 64
    reported_as = "Runtime.BeforeSnapshotError"


class AfterRestoreError(InitError):
    """The hook after the restore failed."""

    exit_code = 65
    reported_as = "Runtime.AfterRestoreError"
    path = "/restore/error"


def wait_for_restore(function: "Function", connection: "RuntimeApiConnection") -> None:
    """Call the hook before the snapshot, wait for the restore, call the hook after it.

    Raises `Stopped`, after it has shut the function down, when the process is asked to end meanwhile.
    """
    from .client import RuntimeApiClient

    client = RuntimeApiClient(connection)
    watcher = function.watch()
    try:
        if function.is_stopping:
            raise Stopped
        function.run_hook("faas_before_snapshot", BeforeSnapshotError)
        watcher.add(client)
        _wait(client)
        watcher.remove(client)
        function.run_hook("faas_after_restore", AfterRestoreError)
    except Stopped:
        function.shutdown()
        raise


def _wait(client: "RuntimeApiClient") -> None:
    """Wait for the restore. Its failure is reported as one before the snapshot, as by AWS's runtimes."""
    try:
        client.wait_for_restore()
    except RuntimeApiError as error:
        raise BeforeSnapshotError(BeforeSnapshotError.reported_as, str(error)) from error
