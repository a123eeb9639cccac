"""What a policy must not be: too large, too broad, or other than the catalogue asks for."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tools.iam.policies import Names, filled, policies

GREATEST_CHARACTERS = {"iot": 2048, "iam": 6144}  # without blanks; a managed policy of IAM
IOT_POLICIES = frozenset({"device", "device-streams", "claim"})
MAY_ASK_WITHOUT_A_RESOURCE = frozenset(  # the services have no resource type for these
    {
        "greengrass:CreateDeployment",
        "greengrass:ListCoreDevices",
        "greengrass:ListDeployments",
        "sts:GetCallerIdentity",
    }
)
LONGEST_REGION, ACCOUNT = "ap-southeast-2", "123456789012"

Policy = Mapping[str, Any]


def broken(name: str, text: str, expected: Policy) -> list[str]:
    """One line for each thing that is wrong with the file of a policy."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        return [f"{name}: no JSON: {error}"]
    lines = [*too_large(name, found), *too_broad(name, found)]
    if found != expected:
        lines.append(f"{name}: differs from the catalogue; run tools.iam --write")
    return lines


def too_large(name: str, policy: Policy) -> list[str]:
    """More than the service takes, with the longest of names filled in."""
    kind = "iot" if name.rsplit("/", 1)[-1].removesuffix(".json") in IOT_POLICIES else "iam"
    whole = json.dumps(filled(policy, LONGEST_REGION, ACCOUNT), separators=(",", ":"))
    size, allowed = len(whole.replace(" ", "")), GREATEST_CHARACTERS[kind]
    return [f"{name}: {size} characters; at most {allowed} are allowed"] if size > allowed else []


def too_broad(name: str, policy: Policy) -> Iterator[str]:
    """Actions of a whole service, resources of everybody, and what is allowed by leaving out."""
    for number, statement in enumerate(policy.get("Statement", [])):
        place = f"{name} at /Statement/{number}"
        if set(statement) & {"NotAction", "NotResource", "NotPrincipal"}:
            yield f"{place}: allows by leaving out; name what is meant"
        for action in statement.get("Action", []):
            if "*" in action:
                yield f"{place}/Action: found {action!r}; name each action"
        free = set(statement.get("Action", [])) <= MAY_ASK_WITHOUT_A_RESOURCE
        for resource in statement.get("Resource", []):
            if resource == "*" and not free:
                yield f"{place}/Resource: found '*'; name what is meant"


def broken_files(files: Mapping[str, str], names: Names | None = None) -> list[str]:
    """One line for each thing that is wrong with `recipes/policies`, by file name."""
    expected = policies(names or Names())
    found = [
        line
        for role, policy in expected.items()
        for line in (
            broken(f"recipes/policies/{role}.json", files[f"{role}.json"], policy)
            if f"{role}.json" in files
            else [f"recipes/policies/{role}.json: is not there; run tools.iam --write"]
        )
    ]
    strange = (name for name in files if name.removesuffix(".json") not in expected)
    return [*found, *(f"recipes/policies/{name}: no role of this name" for name in strange)]
