"""A Lambda component's description as data, and the component that a nucleus makes of it.

The file holds the parameters of two calls as AWS takes them: `createFunction` (of them the nucleus needs
the handler) and `createComponentVersion` with its `lambdaFunction`.
"""

import re
import shlex
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

import msgspec

from hil.nucleus.dialect import LITE, Dialect
from hil.nucleus.recipes import (
    Artifact,
    ComponentConfiguration,
    Dependency,
    Lifecycle,
    Manifest,
    Platform,
    Recipe,
    Step,
)
from sightline.errors import RecipeError

ROUTER = "aws.greengrass.LegacySubscriptionRouter"
ROUTER_VERSION = "2.1.15"
ACCOUNT, REGION = "123456789012", "us-east-1"
REPOSITORY = Path(__file__).resolve().parents[2]
Json = dict[str, Any]


class _Camel(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Base: keys as the service writes them."""


class EventSource(_Camel, frozen=True):
    """A topic whose messages become events."""

    topic: str
    type: Literal["PUB_SUB", "IOT_CORE"]


class ProcessParameters(_Camel, frozen=True):
    """How the function is kept apart; this nucleus has no containers."""

    isolation_mode: Literal["NoContainer"]


class LambdaParameters(_Camel, frozen=True):
    """How the function is run."""

    event_sources: list[EventSource] = []
    pinned: bool = True
    max_queue_size: int = 1000
    max_instances_count: int = 100
    max_idle_time_in_seconds: int = 60
    timeout_in_seconds: int = 3
    status_timeout_in_seconds: int = 60
    input_payload_encoding_type: Literal["json", "binary"] = "json"
    environment_variables: dict[str, str] = {}
    linux_process_params: ProcessParameters = ProcessParameters("NoContainer")


class LambdaDependency(_Camel, frozen=True):
    """Another component that the function needs."""

    version_requirement: str = "*"
    dependency_type: Literal["HARD", "SOFT"] = "HARD"


class LambdaFunction(_Camel, frozen=True):
    """The `lambdaFunction` of CreateComponentVersion."""

    lambda_arn: str
    component_name: str
    component_version: str
    component_platforms: list[Json] = []
    component_dependencies: dict[str, LambdaDependency] = {}
    component_lambda_parameters: LambdaParameters = LambdaParameters()


class ComponentVersion(_Camel, frozen=True):
    """The parameters of CreateComponentVersion."""

    lambda_function: LambdaFunction


class Function(msgspec.Struct, frozen=True, rename="pascal"):
    """Of CreateFunction's parameters, those that count here."""

    handler: str
    function_name: str


class Description(_Camel, frozen=True):
    """One file."""

    create_function: Function
    create_component_version: ComponentVersion


class LambdaSettings(_Camel, frozen=True):
    """What the Lambda host finds in the component's configuration; a deployment may merge into it."""

    handler: str
    arn: str
    parameters: LambdaParameters


def load_lambdas(
    folder: Path, deployed: Collection[str], dialect: Dialect
) -> dict[tuple[str, str], Recipe]:
    """The Lambda components of a folder as recipes, by name and version, and their router's.

    RecipeError if one of them is deployed to a nucleus that has no Lambda.
    """
    recipes = [lambda_recipe(load_description(path)) for path in sorted(folder.glob("*.json"))]
    if recipes:
        recipes.append(_router_recipe())
    for recipe in recipes:
        if dialect is LITE and recipe.component_name in deployed:
            raise RecipeError(
                f"{recipe.component_name}: a Lambda component or its router; "
                "Nucleus Lite runs generic components only"
            )
    return {(recipe.component_name, recipe.component_version): recipe for recipe in recipes}


def load_description(path: Path) -> Description:
    """The description in a file; RecipeError says where it is wrong and what is allowed."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Description)
    except (OSError, msgspec.DecodeError) as error:
        raise RecipeError(f"{path}: {error}") from error


def lambda_recipe(description: Description) -> Recipe:
    """The component that runs the function under the Lambda host."""
    function = description.create_component_version.lambda_function
    package = description.create_function.handler.split(".")[0]
    settings = LambdaSettings(
        handler=description.create_function.handler,
        arn=_without_placeholders(function.lambda_arn),
        parameters=function.component_lambda_parameters,
    )
    return Recipe(
        recipe_format_version="2020-01-25",
        component_name=function.component_name,
        component_version=function.component_version,
        component_dependencies={
            name: Dependency(needed.version_requirement, needed.dependency_type)
            for name, needed in function.component_dependencies.items()
        },
        component_configuration=ComponentConfiguration(
            {**msgspec.to_builtins(settings), "accessControl": _access_control(settings)}
        ),
        manifests=[_manifest(package)],
    )


def _manifest(package: str) -> Manifest:
    python_path = f"{REPOSITORY}:{REPOSITORY / 'shared'}"
    run = Step(
        f"exec {shlex.quote(sys.executable)} -m hil.nucleus.lambda_host"
        f' "{{artifacts:decompressedPath}}/{package}"',
        setenv={"PYTHONPATH": python_path, "PYTHONUNBUFFERED": "1"},
    )
    archive = Artifact(f"s3://BUCKET_NAME/COMPONENT_NAME/COMPONENT_VERSION/{package}.zip", "ZIP")
    return Manifest(
        platform=Platform(os="linux"), lifecycle=Lifecycle(run=run), artifacts=[archive]
    )


def _access_control(settings: LambdaSettings) -> Json:
    """What the host itself may do: read the event sources; where messages go is the router's matter."""
    sources = settings.parameters.event_sources
    return {
        "aws.greengrass.ipc.pubsub": {
            "events": _policy("SubscribeToTopic", _topics(sources, "PUB_SUB")),
            "router": _policy("PublishToTopic", ["*"]),
        },
        "aws.greengrass.ipc.mqttproxy": {
            "events": _policy("SubscribeToIoTCore", _topics(sources, "IOT_CORE")),
            "router": _policy("PublishToIoTCore", ["*"]),
        },
    }


def _policy(operation: str, resources: list[str]) -> Json:
    return {"operations": [f"aws.greengrass#{operation}"], "resources": resources}


def _topics(sources: list[EventSource], kind: str) -> list[str]:
    return [source.topic for source in sources if source.type == kind]


def _router_recipe() -> Recipe:
    return Recipe(
        recipe_format_version="2020-01-25",
        component_name=ROUTER,
        component_version=ROUTER_VERSION,
        component_configuration=ComponentConfiguration({"subscriptions": {}}),
        manifests=[Manifest(platform=Platform(os="linux"))],
    )


def _without_placeholders(arn: str) -> str:
    filled = arn.replace("REGION", REGION).replace("ACCOUNT_ID", ACCOUNT)
    if not re.fullmatch(r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:[\w-]+:\d+", filled):
        raise RecipeError(
            f"lambdaArn: found {arn!r}; the ARN of a function with its version is allowed"
        )
    return filled
