"""Messages of the runtime itself: text or JSON, to standard error or to the platform's telemetry.

The function's own output is not touched. Imported when there is something to log.
"""

from time import gmtime, strftime, time

from .environment import system, variable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .errors import FunctionError
    from .invocation import Invocation

STDERR = 2
"""The descriptor of standard error."""
LEVELS = {"TRACE": 1, "DEBUG": 2, "INFO": 3, "WARN": 4, "ERROR": 5, "FATAL": 6}
# The head of a frame for the telemetry descriptor: a magic number with the level and flags, length, microseconds.
_FRAME_MAGIC = 0xA55A0000
_HAS_TIMESTAMP = 2
_IS_TEXT = 1
_DESCRIPTOR_DIGITS = 10  # at most


class _Output:
    """The destination, format and level of messages; read from the environment once."""

    def __init__(self) -> None:
        self.is_json = variable("AWS_LAMBDA_LOG_FORMAT").upper() == "JSON"
        self.level = LEVELS.get(variable("AWS_LAMBDA_LOG_LEVEL").upper(), 0)
        telemetry = variable("_LAMBDA_TELEMETRY_LOG_FD")
        is_number = telemetry.isascii() and telemetry.isdigit() and len(telemetry) <= _DESCRIPTOR_DIGITS
        self.telemetry = int(telemetry) if is_number else None
        """The descriptor of the platform's telemetry."""


_output: "_Output | None" = None


def configure(is_managed: bool) -> None:
    """Read the platform's settings, and hide its descriptor from the function, which is loaded afterwards."""
    global _output
    _output = _Output()
    if _output.telemetry is not None:
        system.unsetenv("_LAMBDA_TELEMETRY_LOG_FD")
    if is_managed:
        _output.is_json = True
        provider = variable("_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET")
        if provider:
            _redirect(provider)


def log(message: str, level: str = "INFO", invocation: "Invocation | None" = None, **more: object) -> None:
    """Write the message in one piece, as the function may write at the same time; `more` are fields of its JSON."""
    global _output
    if _output is None:
        _output = _Output()
    number = LEVELS[level]
    if number < _output.level:
        return
    now = time()
    message = message.rstrip()
    line = _json_line(message, level, now, invocation, more) if _output.is_json else f"faas-runtime: {message}"
    data = line.encode("utf-8", "backslashreplace")
    try:
        if _output.telemetry is None:
            _write_if_open(data + b"\n")
        else:
            kind = _FRAME_MAGIC | number << 2 | _HAS_TIMESTAMP | (0 if _output.is_json else _IS_TEXT)
            head = kind.to_bytes(4, "big") + len(data).to_bytes(4, "big") + int(now * 1e6).to_bytes(8, "big")
            _write(_output.telemetry, head + data)
    except (OSError, OverflowError):
        if _output.telemetry is not None:  # the platform's descriptor cannot be used: write to standard error
            _output.telemetry = None
            _write_if_open(data + b"\n")


def log_failure(error: "FunctionError", invocation: "Invocation | None" = None) -> None:
    """Log that the function failed; JSON has its error in fields that can be searched."""
    from .reports import shortened

    what = f"request {invocation.request_id.decode()}" if invocation else error.hook
    document = shortened(error)
    text = f"{f'{what} failed: ' if what else ''}{document['errorType']}: {document['errorMessage']}"
    log(text, "ERROR" if invocation else "FATAL", invocation, **document)


def _json_line(message: str, level: str, now: float, invocation: "Invocation | None", more: "dict[str, object]") -> str:
    """One line, without empty fields."""
    from .reports import json_text

    stamp = strftime("%Y-%m-%dT%H:%M:%S", gmtime(now)) + f".{int(now * 1000) % 1000:03}Z"
    fields: dict[str, object] = {"timestamp": stamp, "level": level, "message": message}
    if invocation is not None:
        tenant = invocation.text("tenant_id")
        fields["requestId"] = invocation.request_id.decode()
        fields["tenantId"] = tenant.decode("utf-8", "replace") if tenant else None
    fields.update(more)
    return json_text({name: value for name, value in fields.items() if value})


def _write_if_open(data: bytes) -> None:
    """Write to standard error; if that is closed, the invocation still goes on."""
    try:
        _write(STDERR, data)
    except OSError:
        pass


def _write(descriptor: int, data: bytes) -> None:
    """Write all of it: a pipe may take less."""
    while data:
        data = data[system.write(descriptor, data) :]


def _redirect(provider: str) -> None:
    """Send the output of this process to the platform's socket."""
    import _socket

    connected = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connected.connect(provider)
        system.dup2(connected.fileno(), 1)
        system.dup2(connected.fileno(), STDERR)
    except OSError as error:
        log(f"the platform's log socket {provider} cannot be used: {error}", "WARN")
    finally:
        connected.close()
