"""The outcome of invocations whose function could not be built. A person is to read it."""

from ..sandbox.error_documents import error_document, error_text
from ..sandbox.invocation import InvocationOutcome, OutcomeKind

BUILD_FAILED = "Runtime.BuildFailed"


def build_failure(command: str, reason: str, output: str) -> InvocationOutcome:
    """The outcome for a command that has failed, with the end of its output."""
    document = error_document(BUILD_FAILED, f"the build failed ({reason}): {command}\n{output}".rstrip())
    return InvocationOutcome(OutcomeKind.INIT_FAILED, document, error_type=BUILD_FAILED)


def failed_build_text(outcome: InvocationOutcome) -> str:
    """What a failed build has written, as text; empty if the outcome is another one."""
    return error_text(outcome.payload).partition(": ")[2] if outcome.error_type == BUILD_FAILED else ""
