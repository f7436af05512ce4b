"""What `faas-runtime serve` and `faas-runtime invoke` run, and how."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..library import Handler

ACCOUNT = "012345678912"
DEFAULT_CONCURRENCY = 10
DEFAULT_PORT = 8080
DEFAULT_HTTP_FORMAT = "2.0"
DEFAULT_STAGE = "$default"
DEFAULT_REGION = "us-east-1"
# The beginnings of the regions that are not in the partition `aws`.
_PARTITIONS = (
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
)


class Executable:
    """A program that speaks the Runtime API by itself."""

    __slots__ = ("arguments", "path")

    def __init__(self, path: str, arguments: "tuple[str, ...]" = ()) -> None:
        self.path = path
        """Its absolute path."""
        self.arguments = arguments


class FunctionOptions:
    """A function, and how it is run."""

    def __init__(
        self,
        program: "Handler | Executable",
        environment: "Mapping[str, str]",
        *,
        name: str = "",
        concurrency: int = DEFAULT_CONCURRENCY,
        timeout_s: float = 300.0,
    ) -> None:
        self.program = program
        """A handler: where the library may be (absolute paths, the first that exists counts), and the symbol."""
        self.name = name
        """The name that it is served by; empty: by any name."""
        self.environment = environment
        """The environment variables of the function, except those that each process has for itself."""
        self.concurrency = concurrency
        """The highest number of invocations at once."""
        self.timeout_s = timeout_s
        """How long an invocation may take, and an init as well."""

    @property
    def function_name(self) -> str:
        """The configured name, as the function sees it."""
        return self.environment["AWS_LAMBDA_FUNCTION_NAME"]

    @property
    def version(self) -> str:
        """The function's version, such as $LATEST."""
        return self.environment["AWS_LAMBDA_FUNCTION_VERSION"]

    @property
    def memory_mb(self) -> int:
        """The memory size that the log and the function show; it is not enforced."""
        return int(self.environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"])

    def arn(
        self, name: str = "", qualifier: str = "", *, partition: str = "", region: str = "", account: str = ""
    ) -> str:
        """The ARN of the function under the name that it was called by. Empty arguments: the configured values."""
        region = region or self.environment.get("AWS_REGION") or DEFAULT_REGION
        partition = partition or next((each for start, each in _PARTITIONS if region.startswith(start)), "aws")
        arn = f"arn:{partition}:lambda:{region}:{account or ACCOUNT}:function:{name or self.function_name}"
        return f"{arn}:{qualifier}" if qualifier else arn


class ServeOptions:
    """What `faas-runtime serve` serves, and where."""

    def __init__(
        self,
        functions: "tuple[FunctionOptions, ...]",
        *,
        watch: bool = False,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        origins: "tuple[str, ...] | None" = (),
        http_format: str = DEFAULT_HTTP_FORMAT,
        stage: str = DEFAULT_STAGE,
        build: str = "",
    ) -> None:
        self.functions = functions
        """The functions; the first one is the default."""
        self.watch = watch
        """Whether a changed library is loaded again."""
        self.host = host
        """An IP address or a host name to listen on; `*`: all addresses."""
        self.port = port
        """The port to listen on; 0: a free one."""
        self.origins = origins
        """Origins whose pages may call, in addition to those of this machine; None: the function itself decides."""
        self.http_format = http_format
        """The format of the events for HTTP requests: a key of `HTTP_FORMATS`."""
        self.stage = stage
        """The stage of the API in these events."""
        self.build = build
        """A command for the shell that builds the functions when sources have changed; empty: there is none."""


class EventOptions:
    """What `faas-runtime invoke` sends, and how often. At most one of the texts is not empty; without any: {}."""

    def __init__(self, *, event: str = "", data: str = "", sample: str = "", repeat: int = 1) -> None:
        self.event = event
        """A file with the event, `-` for standard input."""
        self.data = data
        """The event itself, or `@` and what `event` may be."""
        self.sample = sample
        """The name of a sample event."""
        self.repeat = repeat
        """The number of invocations."""
