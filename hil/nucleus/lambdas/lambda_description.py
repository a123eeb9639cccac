"""Lambda component descriptions, and the recipes that a nucleus builds from them.

The file holds the parameters of two AWS calls: `createFunction` (the nucleus uses only the handler)
and `createComponentVersion` with its `lambdaFunction`.
"""

import re
import shlex
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

import msgspec

from hil.nucleus.dialects.dialect import LITE, Dialect
from hil.nucleus.recipe_files.recipe import (
    ComponentConfiguration,
    ComponentDependency,
    ComponentRecipe,
    LifecycleStep,
    RecipeArtifact,
    RecipeLifecycle,
    RecipeManifest,
    RecipePlatform,
)
from sightline.errors import RecipeError

ROUTER = "aws.greengrass.LegacySubscriptionRouter"
ROUTER_VERSION = "2.1.15"
ACCOUNT, REGION = "123456789012", "us-east-1"
REPOSITORY = Path(__file__).resolve().parents[3]
Json = dict[str, Any]


class _CamelStruct(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Base: keys as in the service's API."""


class EventSource(_CamelStruct, frozen=True):
    """A topic whose messages become events."""

    topic: str
    type: Literal["PUB_SUB", "IOT_CORE"]


class ProcessParameters(_CamelStruct, frozen=True):
    """The function's isolation; this nucleus has no containers."""

    isolation_mode: Literal["NoContainer"]


class LambdaParameters(_CamelStruct, frozen=True):
    """The function's execution parameters."""

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


class LambdaDependency(_CamelStruct, frozen=True):
    """A component that the function depends on."""

    version_requirement: str = "*"
    dependency_type: Literal["HARD", "SOFT"] = "HARD"


class LambdaFunction(_CamelStruct, frozen=True):
    """The `lambdaFunction` of CreateComponentVersion."""

    lambda_arn: str
    component_name: str
    component_version: str
    component_platforms: list[Json] = []
    component_dependencies: dict[str, LambdaDependency] = {}
    component_lambda_parameters: LambdaParameters = LambdaParameters()


class ComponentVersion(_CamelStruct, frozen=True):
    """The parameters of CreateComponentVersion."""

    lambda_function: LambdaFunction


class CreateFunctionParameters(msgspec.Struct, frozen=True, rename="pascal"):
    """The CreateFunction parameters used here."""

    handler: str
    function_name: str


class LambdaDescription(_CamelStruct, frozen=True):
    """One file."""

    create_function: CreateFunctionParameters
    create_component_version: ComponentVersion


class LambdaSettings(_CamelStruct, frozen=True):
    """The Lambda host's settings in the component's configuration; a deployment may merge into them."""

    handler: str
    arn: str
    parameters: LambdaParameters


def load_lambda_recipes(
    folder: Path, deployed: Collection[str], dialect: Dialect
) -> dict[tuple[str, str], ComponentRecipe]:
    """Load a folder's Lambda components and their router as recipes, by name and version.

    RecipeError if one of them is deployed to a nucleus that has no Lambda.
    """
    recipes = [
        build_lambda_recipe(load_lambda_description(path)) for path in sorted(folder.glob("*.json"))
    ]
    if recipes:
        recipes.append(_build_router_recipe())
    for recipe in recipes:
        if dialect is LITE and recipe.component_name in deployed:
            raise RecipeError(
                f"{recipe.component_name}: a Lambda component or its router; "
                "Nucleus Lite runs generic components only"
            )
    return {(recipe.component_name, recipe.component_version): recipe for recipe in recipes}


def load_lambda_description(path: Path) -> LambdaDescription:
    """Load a description; RecipeError says where it is wrong and what is allowed."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=LambdaDescription)
    except (OSError, msgspec.DecodeError) as error:
        raise RecipeError(f"{path}: {error}") from error


def build_lambda_recipe(description: LambdaDescription) -> ComponentRecipe:
    """Build the recipe of the component that runs the function under the Lambda host."""
    function = description.create_component_version.lambda_function
    package = description.create_function.handler.split(".")[0]
    settings = LambdaSettings(
        handler=description.create_function.handler,
        arn=_fill_placeholders(function.lambda_arn),
        parameters=function.component_lambda_parameters,
    )
    return ComponentRecipe(
        recipe_format_version="2020-01-25",
        component_name=function.component_name,
        component_version=function.component_version,
        component_dependencies={
            name: ComponentDependency(needed.version_requirement, needed.dependency_type)
            for name, needed in function.component_dependencies.items()
        },
        component_configuration=ComponentConfiguration(
            {**msgspec.to_builtins(settings), "accessControl": _host_access_control(settings)}
        ),
        manifests=[_build_manifest(package)],
    )


def _build_manifest(package: str) -> RecipeManifest:
    python_path = f"{REPOSITORY}:{REPOSITORY / 'shared'}"
    run = LifecycleStep(
        f"exec {shlex.quote(sys.executable)} -m hil.nucleus.lambdas.lambda_host"
        f' "{{artifacts:decompressedPath}}/{package}"',
        setenv={"PYTHONPATH": python_path, "PYTHONUNBUFFERED": "1"},
    )
    archive = RecipeArtifact(
        f"s3://BUCKET_NAME/COMPONENT_NAME/COMPONENT_VERSION/{package}.zip", "ZIP"
    )
    return RecipeManifest(
        platform=RecipePlatform(os="linux"), lifecycle=RecipeLifecycle(run=run), artifacts=[archive]
    )


def _host_access_control(settings: LambdaSettings) -> Json:
    """The host's accessControl: read the event sources; the router decides where messages go."""
    sources = settings.parameters.event_sources
    return {
        "aws.greengrass.ipc.pubsub": {
            "events": _allow_operation("SubscribeToTopic", _topics_of_type(sources, "PUB_SUB")),
            "router": _allow_operation("PublishToTopic", ["*"]),
        },
        "aws.greengrass.ipc.mqttproxy": {
            "events": _allow_operation("SubscribeToIoTCore", _topics_of_type(sources, "IOT_CORE")),
            "router": _allow_operation("PublishToIoTCore", ["*"]),
        },
    }


def _allow_operation(operation: str, resources: list[str]) -> Json:
    return {"operations": [f"aws.greengrass#{operation}"], "resources": resources}


def _topics_of_type(sources: list[EventSource], kind: str) -> list[str]:
    return [source.topic for source in sources if source.type == kind]


def _build_router_recipe() -> ComponentRecipe:
    return ComponentRecipe(
        recipe_format_version="2020-01-25",
        component_name=ROUTER,
        component_version=ROUTER_VERSION,
        component_configuration=ComponentConfiguration({"subscriptions": {}}),
        manifests=[RecipeManifest(platform=RecipePlatform(os="linux"))],
    )


def _fill_placeholders(arn: str) -> str:
    filled = arn.replace("REGION", REGION).replace("ACCOUNT_ID", ACCOUNT)
    if not re.fullmatch(r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:[\w-]+:\d+", filled):
        raise RecipeError(
            f"lambdaArn: found {arn!r}; expected the ARN of a function with its version"
        )
    return filled
