"""Who sent what: the newest deployments of each group, from their names and tags."""

from collections.abc import Sequence
from typing import Any

from tools.fleet.deployment_requests import PREFIX, parse_rollout
from tools.fleet.fleet_client import FleetClient
from tools.fleet.rollback import rollback_target
from tools.fleet.rollout_groups import GroupWave
from tools.fleet.service_calls import map_concurrently

Json = dict[str, Any]
HEADINGS = ("SENT", "GROUP", "ROLL-OUT", "DEPLOYMENT", "STATUS", "OPERATOR", "FILE", "SUITE")
SUITE_COMPONENT = f"com.{PREFIX}."


def read_history(
    waves: Sequence[GroupWave], count: int, cloud: FleetClient
) -> list[tuple[str, ...]]:
    """Rows of the newest `count` deployments of each group, the newest of all first."""
    groups = [group.name for wave in waves for group in wave.groups]
    lists = map_concurrently(cloud.list_deployments, groups)
    ids = [
        (g, entry["deploymentId"])
        for g, found in zip(groups, lists, strict=True)
        for entry in found[:count]
    ]
    contents = map_concurrently(lambda entry: cloud.get_deployment(entry[1]), ids)
    whole = [(content, group) for (group, _), content in zip(ids, contents, strict=True)]
    whole.sort(key=lambda entry: entry[0]["creationTimestamp"], reverse=True)
    return [_build_row(content, group) for content, group in whole]


def _build_row(content: Json, group: str) -> tuple[str, ...]:
    tags = content.get("tags") or {}
    back = rollback_target(content)
    versions = {
        str(component["componentVersion"])
        for name, component in (content.get("components") or {}).items()
        if name.startswith(SUITE_COMPONENT) and ".settings." not in name
    }
    return (
        content["creationTimestamp"].strftime("%Y-%m-%d %H:%M"),
        group,
        f"back to {back}" if back else parse_rollout(content.get("deploymentName")) or "-",
        content["deploymentId"],
        content.get("deploymentStatus", ""),
        tags.get(f"{PREFIX}:operator", "-"),
        tags.get(f"{PREFIX}:file", "-"),
        " ".join(sorted(versions)),
    )
