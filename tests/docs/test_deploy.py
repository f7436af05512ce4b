"""docs/deploy.md shows what its commands print, and its templates deploy what they make."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.conftest import need
from tests.docs.follow import Reader
from tests.docs.pages import Block, sections
from tests.pinned import pinned

PAGE = "deploy.md"
TEMPLATES = "SAM, CDK and Terraform"
# What `package` prints for the project of the page, and how the page calls the layer.
ZIP, HANDLER, RUNTIME, PROCESSOR, LAYER = (
    "my_function.zip",
    "my_function.handle",
    "provided.al2023",
    "x86_64",
    "LAYER.zip",
)

SAM = """
import json, sys
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
json.dump(Translator({}, Parser()).translate(json.load(sys.stdin), {}), sys.stdout)
"""
HCL = """
import json, sys, hcl2
json.dump(hcl2.load(sys.stdin), sys.stdout)
"""


def test_build_and_package(reader: Callable[..., Reader]) -> None:
    need("cc", "make")
    person = reader()
    for name in ("Build for a target", "Package for Lambda"):
        person.follow(sections(PAGE)[name])


def block(language: str) -> Block:
    (found,) = [each for each in sections(PAGE)[TEMPLATES] if each.language == language]
    return found


@pytest.fixture(scope="module")
def readers() -> Path:
    """A folder with AWS's translator of SAM templates, and a parser of HCL."""
    return pinned("deploy")


def read(readers: Path, program: str, text: str) -> Any:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(readers), "AWS_DEFAULT_REGION": "us-east-1"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, input=text, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class TemplateLoader(yaml.SafeLoader):
    """Reads the short forms of CloudFormation's functions that the page uses."""


def reference(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> dict[str, object]:
    return {"Ref": loader.construct_scalar(node)}


TemplateLoader.add_constructor("!Ref", reference)


def test_sam_makes_of_the_template_what_package_creates(readers: Path) -> None:
    template = yaml.load(block("yaml").text, TemplateLoader)
    for resource in template["Resources"].values():
        for key in resource["Properties"].keys() & {"CodeUri", "ContentUri"}:  # what `sam package` uploads
            resource["Properties"][key] = f"s3://bucket/{resource['Properties'][key]}"
    made = read(readers, SAM, json.dumps(template))["Resources"]
    layers = [name for name, each in made.items() if each["Type"] == "AWS::Lambda::LayerVersion"]
    of_zip, of_image = (made[name]["Properties"] for name in ("FunctionOfZip", "FunctionOfImage"))
    assert made[layers[0]]["Properties"]["Content"]["S3Key"] == LAYER
    assert of_zip["Code"]["S3Key"] == ZIP
    assert (of_zip["Handler"], of_zip["Runtime"], of_zip["Architectures"]) == (HANDLER, RUNTIME, [PROCESSOR])
    assert of_zip["Layers"] == [{"Ref": layers[0]}]
    assert (of_image["PackageType"], of_image["Code"]["ImageUri"]) == ("Image", {"Ref": "Image"})
    assert of_image["Architectures"] == [PROCESSOR]


def test_terraform_has_what_package_creates(readers: Path) -> None:
    resources: dict[str, Any] = {}
    for each in read(readers, HCL, block("hcl").text)["resource"]:
        for named in each.values():
            resources |= {name.strip('"'): values for name, values in named.items()}
    layer, of_zip, of_image = (plain(resources[name]) for name in ("runtime", "of_zip", "of_image"))
    assert layer["filename"] == LAYER
    assert (of_zip["filename"], of_zip["handler"], of_zip["runtime"]) == (ZIP, HANDLER, RUNTIME)
    assert of_zip["source_code_hash"] == f'${{filebase64sha256("{ZIP}")}}'
    assert (of_image["package_type"], of_image["image_uri"]) == ("Image", "${var.image}")
    assert of_zip["architectures"] == of_image["architectures"] == layer["compatible_architectures"] == [PROCESSOR]


def plain(values: Any) -> Any:
    """Values of HCL without the quotes that the parser keeps."""
    if isinstance(values, dict):
        return {name: plain(value) for name, value in values.items()}
    if isinstance(values, list):
        return [plain(value) for value in values]
    return values.strip('"') if isinstance(values, str) and values.startswith('"') else values


def test_cdk_names_what_package_creates() -> None:
    """Its syntax and its words alone: the library of the CDK has 300 MB and needs Node.js."""
    tree = ast.parse(block("python").text)
    calls = {ast.unparse(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    given = {word.arg: ast.unparse(word.value) for word in calls["aws.Function"].keywords}
    assert given["code"] == f"aws.Code.from_asset('{ZIP}')"
    assert given["handler"] == f"'{HANDLER}'"
    assert given["runtime"] == "aws.Runtime.PROVIDED_AL2023"
    assert {"aws.LayerVersion", "aws.DockerImageFunction", "aws.DockerImageCode.from_ecr"} <= calls.keys()
