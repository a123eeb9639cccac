"""`make status`: show the status of the station that runs on this machine."""

import argparse
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hil.run.component_status import RESTART_COMMAND, describe_broken_component
from hil.run.run_arguments import REPOSITORY
from hil.run.run_summary import VERDICTS
from sightline.command_output import run_command

Json = dict[str, Any]


def format_station_status(nucleus: Json, cloud: Json, page: str, root: Path) -> str:
    """Format components, faults and parts as text; `root` is the nucleus's folder."""
    lines = [f"Web page: {page}", ""]
    for name, component in nucleus["components"].items():
        health = cloud["health"].get(name, {})
        ready = "ready" if health.get("ready") else "not ready"
        lines.append(
            f"  {name:26} {component['state']:9} {ready:10} process {component['pid']}  "
            f"restarts {component['restarts']}  cpu {component['cpu_seconds']:.1f} s  "
            f"memory {component['max_rss_mib']:.0f} MiB"
        )
        words = describe_broken_component(name, component)
        if words:
            lines.append(f"      {words}")
        if component["state"] == "BROKEN":
            lines.append(
                f"      It is not restarted automatically. Restart it with: {RESTART_COMMAND} "
                f"--root {root} {name}"
            )
        lines += [f"      {fault['level']}: {fault['text']}" for fault in health.get("faults", ())]
    parts = "  ".join(f"{name} {cloud['parts'].get(name, 0)}" for name in VERDICTS)
    gate = "  ".join(f"{name} {count}" for name, count in cloud["gate"].items())
    return "\n".join([*lines, "", f"  parts, all runs: {parts}", f"  gate, all runs:  {gate}"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 if a station is running, 3 if none is."""
    parser = argparse.ArgumentParser(prog="python -m hil.run.status", description=__doc__)
    parser.add_argument(
        "--folder",
        type=Path,
        default=REPOSITORY / ".station",
        help="the run's folder (default: .station)",
    )
    folder: Path = parser.parse_args(arguments).folder
    try:
        page = (folder / "cloud.address").read_text().strip()
        with urllib.request.urlopen(f"{page}/api/summary", timeout=5) as response:
            cloud: Json = json.load(response)
        nucleus: Json = json.loads((folder / "nucleus" / "status.json").read_text())
    except (OSError, ValueError, urllib.error.URLError) as error:
        sys.stdout.write(
            f"No station is running in {folder} ({type(error).__name__}). Start one with `make run`.\n"
        )
        return 3
    sys.stdout.write(format_station_status(nucleus, cloud, page, folder / "nucleus") + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
