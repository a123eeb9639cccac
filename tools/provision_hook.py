"""Pre-provisioning hook for `provision.sh --hook`: admits only stations of a deployment file.

`python -m tools.provision_hook recipes/deployments/SITES.yaml --zip build/hook.zip` packs this Lambda
with the list of stations and of the group each belongs to: there it gets its deployment as it joins.
A station that has a certificate gets no second one, unless `--replace THING` was given for its new machine.
Without a hook the claim certificate can provision any station name, and `tools.fleet deploy` must move it.
"""

import argparse
import json
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

STATIONS = "stations.json"
ROLLOUT_GROUP = "RolloutGroupName"  # a parameter of the provisioning template
_FIXED_TIMESTAMP = (1980, 1, 1, 0, 0, 0)  # the same list gives the same bytes


def lambda_handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """AWS IoT calls this before it issues a certificate; the station list is packed with this file."""
    listed = json.loads(Path(__file__).with_name(STATIONS).read_text(encoding="utf-8"))
    return answer_hook(event.get("parameters") or {}, listed, has_certificate)


def has_certificate(thing: str) -> bool:
    """Whether a certificate is attached to the thing; any other answer of AWS ends the Lambda: refused."""
    import boto3  # AWS Lambda has it

    iot = boto3.client("iot")
    try:
        answer = iot.list_thing_principals(thingName=thing)
    except iot.exceptions.ResourceNotFoundException:
        return False
    return bool(answer["principals"] or answer.get("nextToken"))


def answer_hook(
    parameters: Mapping[str, Any],
    listed: Mapping[str, Mapping[str, Any]],
    has_certificate: Callable[[str], bool],
) -> dict[str, Any]:
    """Admit a station of the list into its kind's thing group, and name the group of its roll-outs."""
    thing, group = parameters.get("ThingName"), parameters.get("ThingGroupName")
    found = listed.get(thing) if isinstance(thing, str) else None
    if found is None or found["kind"] != group:
        return {"allowProvisioning": False}
    if not found.get("replace") and has_certificate(str(thing)):
        print(f"{thing} has a certificate; pack the hook with --replace {thing} to give it another")
        return {"allowProvisioning": False}
    return {"allowProvisioning": True, "parameterOverrides": {ROLLOUT_GROUP: found["group"]}}


def main(arguments: list[str] | None = None) -> int:
    """Write the zip."""
    from tools.fleet.deployment_file import load_deployment_file  # not in the Lambda
    from tools.fleet.rollout_groups import build_group_waves

    parser = argparse.ArgumentParser(prog="python -m tools.provision_hook", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="deployment files that list the sites")
    parser.add_argument("--zip", type=Path, default=Path("build/provision-hook.zip"))
    parser.add_argument(
        "--replace",
        action="append",
        default=[],
        metavar="THING",
        help="station that may get another certificate, because its machine is replaced; repeatable",
    )
    given = parser.parse_args(arguments)
    listed: dict[str, dict[str, Any]] = {
        station.name: {"kind": group.kind, "group": group.name}
        for file in map(load_deployment_file, given.files)
        for wave in build_group_waves(file)
        for group in wave.groups
        for station in group.stations
    }
    unknown = sorted(set(given.replace) - set(listed))
    if unknown:
        parser.error(f"--replace: found {', '.join(unknown)}, which no deployment file lists")
    for thing in given.replace:
        listed[thing]["replace"] = True
    given.zip.parent.mkdir(parents=True, exist_ok=True)
    contents = {
        "provision_hook.py": Path(__file__).read_text(encoding="utf-8"),
        STATIONS: json.dumps(listed, indent=1, sort_keys=True),
    }
    with zipfile.ZipFile(given.zip, "w") as archive:
        for name, text in contents.items():
            archive.writestr(zipfile.ZipInfo(name, _FIXED_TIMESTAMP), text)
    print(f"{given.zip}: {len(listed)} stations; handler provision_hook.lambda_handler")
    return 0


if __name__ == "__main__":
    sys.exit(main())
