"""The command import-lambda: writes the function's zip, and prints or sends the requests."""

import argparse
import json
from typing import Any

from sightline.configuration import default_configuration, load_configuration
from sightline.errors import RecipeError
from sightline.messaging.topics import TELEMETRY
from sightline.old_keys import rename_old_keys
from tools.fleet import lambda_component
from tools.fleet.fleet_client import connect_to_fleet
from tools.fleet.merge_tree import merge_trees
from tools.fleet.printing import print_note, print_requests
from tools.fleet.service_calls import create_client
from tools.recipes import find_configuration_type


def run_import_lambda(given: argparse.Namespace) -> int:
    """Write the zip, and print or send what creates the component; what is there is not sent again."""
    description = json.loads(given.description.read_text(encoding="utf-8"))
    cloud = connect_to_fleet(given.region, given.account, given.endpoint_url)
    ready = lambda_component.build_lambda_import(
        description, cloud.location, given.role, _parse_merge(given.merge), given.architecture
    )
    runtime = ready.function["Runtime"]
    lambda_component.write_zip(given.zip, runtime, given.architecture, given.cache)
    print_note(
        f"{given.zip}: {given.zip.stat().st_size / 2**20:.1f} MiB for {runtime}, {given.architecture}"
    )
    digest = lambda_component.compute_import_digest(ready, given.zip.read_bytes())
    if lambda_component.is_imported(ready, digest, cloud):
        print_note(
            f"{ready.name} {ready.version} is already there with this content; nothing to do"
        )
        return 0
    if not given.send:
        name = ready.function["FunctionName"]
        print_requests(
            [
                ("CreateFunction", {**ready.function, "Code": {"ZipFile": str(given.zip)}}),
                ("PublishVersion", {"FunctionName": name}),
                ("CreateComponentVersion", ready.build_version_request("", digest)),
            ]
        )
        print_note("Dry run: nothing was sent. Add --send to apply.")
        return 0
    functions = create_client("lambda", given.region, given.endpoint_url)
    arn = lambda_component.publish_function(functions, ready.function, given.zip)
    print_note(f"{arn} is {cloud.create_component(ready.build_version_request(arn, digest))}")
    return 0


def _parse_merge(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise RecipeError(f"--merge: not valid JSON: {error}") from error
    if not isinstance(found, dict):
        raise RecipeError(f"--merge: found {text!r}; expected a JSON object")
    struct = find_configuration_type(TELEMETRY)
    renamed, old_keys = rename_old_keys(found, struct.OLD_KEYS)
    load_configuration(struct, merge_trees(default_configuration(struct), renamed))
    for key in old_keys:
        print_note(f"--merge: {key}; only this release reads the old key")
    return renamed
