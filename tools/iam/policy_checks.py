"""What a policy must not be: too large, too broad, or other than the catalogue asks for."""

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
        "sts:GetCallerIdentity",
    }
)
MAX_LENGTH_REGION, ACCOUNT = "ap-southeast-2", "123456789012"

PolicyDocument = Mapping[str, Any]


def find_policy_problems(name: str, text: str, expected: PolicyDocument) -> list[str]:
    """One line for each thing that is wrong with the file of a policy."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        return [f"{name}: no JSON: {error}"]
    lines = [*find_oversized_policy(name, found), *find_broad_statements(name, found)]
    if found != expected:
        lines.append(f"{name}: differs from the catalogue; run tools.iam --write")
    return lines


def find_oversized_policy(name: str, policy: PolicyDocument) -> list[str]:
    """More than the service takes, with the longest of names filled in."""
    kind = "iot" if name.rsplit("/", 1)[-1].removesuffix(".json") in IOT_POLICIES else "iam"
    whole = json.dumps(fill_placeholders(policy, MAX_LENGTH_REGION, ACCOUNT), separators=(",", ":"))
    size, allowed = len(whole.replace(" ", "")), MAX_POLICY_CHARACTERS[kind]
    return [f"{name}: {size} characters; at most {allowed} are allowed"] if size > allowed else []


def find_broad_statements(name: str, policy: PolicyDocument) -> Iterator[str]:
    """Actions of a whole service, resources of everybody, and what is allowed by leaving out."""
    for number, statement in enumerate(policy.get("Statement", [])):
        place = f"{name} at /Statement/{number}"
        if set(statement) & {"NotAction", "NotResource", "NotPrincipal"}:
            yield f"{place}: allows by leaving out; name what is meant"
        for action in statement.get("Action", []):
            if "*" in action:
                yield f"{place}/Action: found {action!r}; name each action"
        free = set(statement.get("Action", [])) <= ACTIONS_WITHOUT_RESOURCE
        for resource in statement.get("Resource", []):
            if resource == "*" and not free:
                yield f"{place}/Resource: found '*'; name what is meant"


def find_policy_file_problems(
    files: Mapping[str, str], names: AccountNames | None = None
) -> list[str]:
    """One line for each thing that is wrong with `recipes/policies`, by file name."""
    expected = build_policies(names or AccountNames())
    found = [
        line
        for role, policy in expected.items()
        for line in (
            find_policy_problems(f"recipes/policies/{role}.json", files[f"{role}.json"], policy)
            if f"{role}.json" in files
            else [f"recipes/policies/{role}.json: is not there; run tools.iam --write"]
        )
    ]
    strange = (name for name in files if name.removesuffix(".json") not in expected)
    return [*found, *(f"recipes/policies/{name}: no role of this name" for name in strange)]
