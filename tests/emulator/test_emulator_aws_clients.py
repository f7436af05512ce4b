"""AWS's own clients get the error of a function that fails, in one attempt: a failure is an answer, not a 5xx."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.support import Emulator
from tests.pinned import pinned
from tests.support import ROOT

Serve = Callable[..., Emulator]
FAILURES = [
    ("end", {}, "signal: segmentation fault"),
    ("end", {"INIT": "exits"}, "exit status 9"),
    ("end", {"INIT": "fails"}, "the database is away"),
]
EVENT = "-11"
BOTO3 = """
import json, sys, boto3
from botocore.config import Config
client = boto3.client("lambda", endpoint_url=sys.argv[1], config=Config(retries={"mode": sys.argv[2]}))
answer = client.invoke(FunctionName="my-function", Payload=sys.argv[3].encode())
print(json.dumps({"error": answer.get("FunctionError"), "document": json.load(answer["Payload"]),
    "retries": answer["ResponseMetadata"]["RetryAttempts"]}))
"""


@pytest.fixture(scope="module")
def clients() -> Path:
    """A folder with boto3 and the AWS CLI; not in the tests' own environment, whose dateutil is too new for them."""
    return pinned("aws")


def run_client(clients: Path, *arguments: str) -> str:
    """What Python prints with the clients, which see settings of nobody."""
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(clients), "HOME": "/nonexistent",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def require_one_attempt(emulator: Emulator, environment: dict[str, str]) -> None:
    """What fails in its init is not invoked."""
    assert emulator.out.count("START") == (0 if environment else 1)


@pytest.mark.parametrize("mode", ["legacy", "standard"])
@pytest.mark.parametrize(("handler", "environment", "text"), FAILURES)
def test_boto3_gets_the_error_in_one_attempt(
    clients: Path, serve: Serve, handler: str, environment: dict[str, str], text: str, mode: str
) -> None:
    emulator = serve(handler, **environment)
    printed = run_client(clients, "-c", BOTO3, f"http://127.0.0.1:{emulator.port}", mode, EVENT)
    found: dict[str, Any] = json.loads(printed)
    assert (found["error"], found["retries"]) == ("Unhandled", 0)
    assert text in found["document"]["errorMessage"]
    require_one_attempt(emulator, environment)


def test_the_aws_cli_gets_the_error_in_one_attempt(clients: Path, serve: Serve, tmp_path: Path) -> None:
    (handler, environment, text), *_ = FAILURES
    emulator = serve(handler, **environment)
    options = ("--endpoint-url", f"http://127.0.0.1:{emulator.port}", "--function-name", "my-function")
    printed = run_client(clients, "-m", "awscli", "lambda", "invoke", *options, f"--payload={EVENT}", f"{tmp_path}/out")
    assert json.loads(printed)["FunctionError"] == "Unhandled"
    assert text in json.loads((tmp_path / "out").read_bytes())["errorMessage"]
    require_one_attempt(emulator, environment)
