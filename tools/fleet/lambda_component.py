"""Imports telemetry as a Lambda component: the function's zip and the two requests that create it."""

import hashlib
import json
import re
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sightline.errors import RecipeError
from tools.fleet.deployment_requests import AwsLocation
from tools.fleet.fleet_client import FleetClient
from tools.fleet.service_calls import FleetError
from tools.fleet.settings_version import DIGEST_TAG
from tools.stage.archive import pack_folder
from tools.stage.stageable_components import REQUIREMENTS, ROOT, SHARED
from tools.stage.wheels import fetch_wheels

Json = dict[str, Any]
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")


@dataclass(frozen=True)
class LambdaImport:
    """The requests: CreateFunction (with role and code) and CreateComponentVersion.

    The ARN in `component` ends in the version that PublishVersion answers; 1 until then.
    """

    function: Json
    component: Json

    @property
    def name(self) -> str:
        """The component's name."""
        return str(self.component["lambdaFunction"]["componentName"])

    @property
    def version(self) -> str:
        """The component's version."""
        return str(self.component["lambdaFunction"]["componentVersion"])

    def build_version_request(self, arn: str, digest: str) -> Json:
        """The CreateComponentVersion request for a published function version; "" keeps the ARN."""
        given = self.component["lambdaFunction"]
        function = {**given, "lambdaArn": arn or given["lambdaArn"]}
        return {**self.component, "lambdaFunction": function, "tags": {DIGEST_TAG: digest}}


def build_lambda_import(
    description: Json, place: AwsLocation, role: str, configuration: Json, architecture: str
) -> LambdaImport:
    """Build the requests from `recipes/lambda/*.json`, with `configuration` merged into the defaults."""
    try:
        function, component = description["createFunction"], description["createComponentVersion"]
        given = component["lambdaFunction"]
        parameters = given["componentLambdaParameters"]
    except KeyError as error:
        raise RecipeError(f"the Lambda description is missing {error}") from error
    _check_role(role, place)
    arn = given["lambdaArn"].replace(":REGION:", f":{place.region}:")
    arn = arn.replace(":ACCOUNT_ID:", f":{place.account}:").replace(
        "arn:aws:", f"arn:{place.partition}:"
    )
    variables = dict(parameters.get("environmentVariables") or {})
    if configuration:
        variables["TELEMETRY_CONFIGURATION"] = json.dumps(configuration, sort_keys=True)
    changed = {**parameters, "environmentVariables": variables}
    machine = {"x86_64": "x86_64", "aarch64": "arm64"}[architecture]
    return LambdaImport(
        {**function, "Role": role, "Architectures": [machine], "Publish": False},
        {"lambdaFunction": {**given, "lambdaArn": arn, "componentLambdaParameters": changed}},
    )


def compute_import_digest(ready: LambdaImport, code: bytes) -> str:
    """The digest of the function's code and settings and of the component."""
    words = json.dumps([ready.function, ready.component], sort_keys=True).encode()
    return hashlib.sha256(hashlib.sha256(code).digest() + words).hexdigest()


def is_imported(ready: LambdaImport, digest: str, cloud: FleetClient) -> bool:
    """Whether exactly this was imported; RecipeError if the version has other content."""
    found = cloud.describe_component(ready.name, ready.version)
    if found is None:
        return False
    if (found.get("tags") or {}).get(DIGEST_TAG) == digest:
        return True
    raise RecipeError(
        f"{ready.name} {ready.version} is in the account with other content, and a version never "
        "changes; raise componentVersion in the description (nothing was sent)"
    )


def write_zip(
    target: Path, runtime: str, architecture: str, cache: Path, root: Path = ROOT
) -> Path:
    """Write the function's code: telemetry, the shared package and their dependencies."""
    python = parse_python_version(runtime)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        shutil.copytree(root / "components" / "telemetry", folder / "telemetry", ignore=_LEFT_OUT)
        shutil.copytree(root / SHARED, folder / SHARED.name, ignore=_LEFT_OUT)
        lock = (root / REQUIREMENTS / "telemetry-lambda.txt").read_text(encoding="utf-8")
        for wheel in fetch_wheels(lock, (python,), architecture, cache):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder)
        pack_folder(folder, target)
    return target


def publish_function(client: Any, function: Json, code: Path) -> str:
    """Create or update the function and publish a version; returns the version's ARN."""
    try:
        return _publish_version(client, function, code.read_bytes())
    except (ClientError, BotoCoreError) as error:
        raise FleetError(f"function {function['FunctionName']}: {error}") from error


def _publish_version(client: Any, function: Json, content: bytes) -> str:
    name = function["FunctionName"]
    try:
        client.create_function(**function, Code={"ZipFile": content})
    except client.exceptions.ResourceConflictException:
        client.update_function_code(
            FunctionName=name, ZipFile=content, Architectures=function["Architectures"]
        )
    for done in ("function_active_v2", "function_updated_v2"):
        client.get_waiter(done).wait(FunctionName=name)  # until then no version can be published
    return str(client.publish_version(FunctionName=name)["FunctionArn"])


def _check_role(role: str, place: AwsLocation) -> None:
    wanted = rf"arn:{place.partition}:iam::{place.account}:role/[\w+=,.@/-]+"
    if not re.fullmatch(wanted, role):
        raise RecipeError(
            f"--role: found {role!r}; expected the ARN of a role of this account, "
            f"arn:{place.partition}:iam::{place.account}:role/NAME"
        )


def parse_python_version(runtime: str) -> str:
    """Parse `python3.11` to `3.11`; RecipeError for another language."""
    if not runtime.startswith("python3."):
        raise RecipeError(f"at /createFunction/Runtime: found {runtime!r}; expected python3.MINOR")
    return runtime.removeprefix("python")
