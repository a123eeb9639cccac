"""Pre-provisioning hook for `provision.sh --hook`: admits only stations of a deployment file.

`python -m tools.provision_hook recipes/deployments/SITES.yaml --zip build/hook.zip` packs this Lambda
with the list of stations. Without a hook the claim certificate can provision any station name.
"""

import argparse
import json
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

STATIONS = "stations.json"


def lambda_handler(event: Mapping[str, Any], _context: object) -> dict[str, bool]:
    """AWS IoT calls this before it issues a certificate; the station list is packed with this file."""
    listed = json.loads(Path(__file__).with_name(STATIONS).read_text(encoding="utf-8"))
    return {"allowProvisioning": is_allowed(event.get("parameters") or {}, listed)}


def is_allowed(parameters: Mapping[str, Any], listed: Mapping[str, str]) -> bool:
    """Whether the list has this station in this thing group."""
    thing, group = parameters.get("ThingName"), parameters.get("ThingGroupName")
    return isinstance(thing, str) and thing in listed and listed[thing] == group


def main(arguments: list[str] | None = None) -> int:
    """Write the zip."""
    from tools.fleet.deployment_file import load_deployment_file  # not in the Lambda

    parser = argparse.ArgumentParser(prog="python -m tools.provision_hook", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="deployment files that list the sites")
    parser.add_argument("--zip", type=Path, default=Path("build/provision-hook.zip"))
    given = parser.parse_args(arguments)
    listed = {
        name: file.thing_group
        for file in map(load_deployment_file, given.files)
        for site in file.sites.values()
        for name in site.stations
    }
    given.zip.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(given.zip, "w") as archive:
        archive.write(__file__, "provision_hook.py")
        archive.writestr(STATIONS, json.dumps(listed, indent=1, sort_keys=True))
    print(f"{given.zip}: {len(listed)} stations; handler provision_hook.lambda_handler")
    return 0


if __name__ == "__main__":
    sys.exit(main())
