"""Checks policies: not too large, not too broad, and as generated from the catalogue."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tools.iam.iam_policies import AccountNames, build_policies, fill_placeholders

MAX_POLICY_CHARACTERS = {"iot": 2048, "iam": 6144}  # without blanks; a managed policy of IAM
IOT_POLICIES = frozenset({"device", "device-streams", "claim"})
ACTIONS_WITHOUT_RESOURCE = frozenset(  # the services have no resource type for these
    {
        "greengrass:CreateDeployment",
        "greengrass:ListCoreDevices",
        "greengrass:ListDeployments",
        "iot:ListThingGroups",
        "sts:GetCallerIdentity",
    }
)
MAX_LENGTH_REGION, ACCOUNT = "ap-southeast-2", "123456789012"

PolicyDocument = Mapping[str, Any]


def find_policy_problems(name: str, text: str, expected: PolicyDocument) -> list[str]:
    """One line for each problem in a policy file."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        return [f"{name}: not valid JSON: {error}"]
    lines = [*find_oversized_policy(name, found), *find_broad_statements(name, found)]
    if found != expected:
        lines.append(f"{name}: out of date; run python -m tools.iam --write")
    return lines


def find_oversized_policy(name: str, policy: PolicyDocument) -> list[str]:
    """A line if the policy exceeds the service's limit with the longest names filled in."""
    kind = "iot" if name.rsplit("/", 1)[-1].removesuffix(".json") in IOT_POLICIES else "iam"
    whole = json.dumps(fill_placeholders(policy, MAX_LENGTH_REGION, ACCOUNT), separators=(",", ":"))
    size, allowed = len(whole.replace(" ", "")), MAX_POLICY_CHARACTERS[kind]
    return [f"{name}: {size} characters; at most {allowed} are allowed"] if size > allowed else []


def find_broad_statements(name: str, policy: PolicyDocument) -> Iterator[str]:
    """One line for each wildcard action, wildcard resource and NotAction or NotResource."""
    for number, statement in enumerate(policy.get("Statement", [])):
        place = f"{name} at /Statement/{number}"
        if set(statement) & {"NotAction", "NotResource", "NotPrincipal"}:
            yield f"{place}: found NotAction or NotResource; list what is allowed"
        for action in statement.get("Action", []):
            if "*" in action:
                yield f"{place}/Action: found {action!r}; list each action"
        free = set(statement.get("Action", [])) <= ACTIONS_WITHOUT_RESOURCE
        for resource in statement.get("Resource", []):
            if resource == "*" and not free:
                yield f"{place}/Resource: found '*'; list the resources"


def find_policy_file_problems(
    files: Mapping[str, str], names: AccountNames | None = None
) -> list[str]:
    """One line for each problem in `recipes/policies`, by file name."""
    expected = build_policies(names or AccountNames())
    found = [
        line
        for role, policy in expected.items()
        for line in (
            find_policy_problems(f"recipes/policies/{role}.json", files[f"{role}.json"], policy)
            if f"{role}.json" in files
            else [f"recipes/policies/{role}.json: file is missing; run python -m tools.iam --write"]
        )
    ]
    strange = (name for name in files if name.removesuffix(".json") not in expected)
    return [
        *found,
        *(f"recipes/policies/{name}: no role has this name; delete the file" for name in strange),
    ]
