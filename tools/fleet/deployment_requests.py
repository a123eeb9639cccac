"""Builds the exact requests to AWS, in the shape of botocore's service model."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tools.fleet.desired_state import DesiredComponent, DesiredStation

Json = dict[str, Any]
PREFIX = "sightline"


@dataclass(frozen=True)
class AwsLocation:
    """The fleet's AWS partition, region and account, as used in ARNs."""

    region: str
    account: str
    partition: str = "aws"

    def thing_arn(self, name: str) -> str:
        """The ARN of a thing."""
        return self._iot_arn(f"thing/{name}")

    def thing_group_arn(self, name: str) -> str:
        """The ARN of a thing group."""
        return self._iot_arn(f"thinggroup/{name}")

    def _iot_arn(self, what: str) -> str:
        return f"arn:{self.partition}:iot:{self.region}:{self.account}:{what}"


def parse_thing_name(arn: str) -> str:
    """The thing name in a thing's ARN; None for other kinds of targets."""
    before, found, name = arn.partition(":thing/")
    return name if found and before else ""


def deployment_name(thing_group: str, digest: str) -> str:
    """A deployment's name; it contains the digest that identifies its content."""
    return f"{PREFIX} {thing_group} {digest}"


def parse_digest(name: str | None) -> str:
    """The digest in a deployment's name; empty if it has none."""
    words = (name or "").split(" ")
    return words[2] if len(words) >= 3 and words[0] == PREFIX else ""


def build_station_deployment(
    station: DesiredStation, thing_group: str, location: AwsLocation, instead_of: str = ""
) -> Json:
    """CreateDeployment for one station; idempotent as long as `instead_of` is the same."""
    token = f"{station.name} {station.digest} {instead_of}"
    return {
        "targetArn": location.thing_arn(station.name),
        "deploymentName": deployment_name(thing_group, station.digest),
        "components": {
            name: _build_component_request(component)
            for name, component in station.components.items()
        },
        "iotJobConfiguration": {
            "timeoutConfig": {"inProgressTimeoutInMinutes": station.rollout.station_timeout_minutes}
        },
        "deploymentPolicies": _policies(station),
        "tags": {f"{PREFIX}:site": station.site, f"{PREFIX}:thing-group": thing_group},
        "clientToken": hashlib.sha256(token.encode()).hexdigest(),
    }


def build_repeat_deployment(deployment: Mapping[str, Any], instead_of: str) -> Json:
    """CreateDeployment that repeats an earlier deployment, given GetDeployment's answer."""
    kept = ("targetArn", "components", "deploymentPolicies", "iotJobConfiguration", "tags")
    token = f"{deployment['targetArn']} back to {deployment['deploymentId']} from {instead_of}"
    request = {key: deployment[key] for key in kept if deployment.get(key)}
    words = str(deployment.get("deploymentName", "")).split(" back to ")[0]
    return {
        **request,
        "deploymentName": f"{words} back to {deployment['deploymentId']}"[:256],
        "clientToken": hashlib.sha256(token.encode()).hexdigest(),
    }


def _build_component_request(component: DesiredComponent) -> Json:
    update: Json = {}
    if component.merge:
        update["merge"] = json.dumps(component.merge, sort_keys=True, ensure_ascii=False)
    if component.reset:
        update["reset"] = list(component.reset)
    written: Json = {"componentVersion": component.version}
    return {**written, "configurationUpdate": update} if update else written


def _policies(station: DesiredStation) -> Json:
    policies = station.policies
    told = "NOTIFY_COMPONENTS" if policies.notify_components else "SKIP_NOTIFY_COMPONENTS"
    return {
        "failureHandlingPolicy": policies.on_failure,
        "componentUpdatePolicy": {"timeoutInSeconds": policies.notify_timeout_s, "action": told},
        "configurationValidationPolicy": {"timeoutInSeconds": policies.validate_timeout_s},
    }
