"""Messages of the runtime itself: text or JSON, to standard error or to the platform's telemetry.

What the function writes passes through untouched. Imported when there is something to say.
"""

from time import gmtime, strftime, time

from .environment import system, variable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .errors import FunctionError
    from .invocation import Invocation

STDERR = 2
LEVELS = {"TRACE": 1, "DEBUG": 2, "INFO": 3, "WARN": 4, "ERROR": 5, "FATAL": 6}
_FRAME = 0xA55A0000
_TIMESTAMP = 2
_TEXT = 1
_DIGITS = 10  # of any descriptor, and of no number that is too long to be read


class _Sink:
    """Where messages go, and how; read from the environment once."""

    def __init__(self) -> None:
        self.is_json = variable("AWS_LAMBDA_LOG_FORMAT").upper() == "JSON"
        self.level = LEVELS.get(variable("AWS_LAMBDA_LOG_LEVEL").upper(), 0)
        telemetry = variable("_LAMBDA_TELEMETRY_LOG_FD")
        is_number = telemetry.isascii() and telemetry.isdigit() and len(telemetry) <= _DIGITS
        self.telemetry = int(telemetry) if is_number else None


_sink: "_Sink | None" = None


def configure(is_managed: bool) -> None:
    """Take over what the platform offers before the function is loaded, which is not to see it."""
    global _sink
    _sink = _Sink()
    if _sink.telemetry is not None:
        system.unsetenv("_LAMBDA_TELEMETRY_LOG_FD")
    if is_managed:
        _sink.is_json = True
        provider = variable("_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET")
        if provider:
            _redirect(provider)


def log(message: str, level: str = "INFO", invocation: "Invocation | None" = None, **more: object) -> None:
    """Write the message in one piece: the function writes there as well."""
    global _sink
    if _sink is None:
        _sink = _Sink()
    number = LEVELS[level]
    if number < _sink.level:
        return
    now = time()
    message = message.rstrip()
    line = _json_line(message, level, now, invocation, more) if _sink.is_json else f"faas-runtime: {message}"
    data = line.encode("utf-8", "backslashreplace")
    try:
        if _sink.telemetry is None:
            _write_if_open(data + b"\n")
        else:
            kind = _FRAME | number << 2 | _TIMESTAMP | (0 if _sink.is_json else _TEXT)
            head = kind.to_bytes(4, "big") + len(data).to_bytes(4, "big") + int(now * 1e6).to_bytes(8, "big")
            _write(_sink.telemetry, head + data)
    except (OSError, OverflowError):
        if _sink.telemetry is not None:  # the platform's descriptor is none: say it where somebody may look
            _sink.telemetry = None
            _write_if_open(data + b"\n")


def log_failure(error: "FunctionError", invocation: "Invocation | None" = None) -> None:
    """Write that the function failed; with JSON, in fields that can be searched."""
    from .reports import shortened

    prefix = f"request {invocation.request_id.decode()} failed: " if invocation else ""
    document = shortened(error)
    text = f"{prefix}{document['errorType']}: {document['errorMessage']}"
    log(text, "ERROR" if invocation else "FATAL", invocation, **document)


def _json_line(message: str, level: str, now: float, invocation: "Invocation | None", more: "dict[str, object]") -> str:
    """One line, with what is empty left out."""
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
    """Write to standard error; that it is closed must not end an invocation."""
    try:
        _write(STDERR, data)
    except OSError:
        pass


def _write(descriptor: int, data: bytes) -> None:
    """Write all of it: a pipe may take less."""
    while data:
        data = data[system.write(descriptor, data) :]


def _redirect(provider: str) -> None:
    """Let what this process writes go to the platform's socket, which knows whose it is."""
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
