"""Builds the exact requests to AWS, in the shape of botocore's service model."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sightline.kernel.station_settings import VERSION_KEY
from sightline.messaging.topics import COMPONENTS
from tools.fleet.deployment_file import DeploymentPolicies
from tools.fleet.desired_state import DesiredComponent, DesiredStation
from tools.fleet.job_configuration import build_job_configuration
from tools.fleet.rollout_groups import DesiredGroup

Json = dict[str, Any]
PREFIX = "sightline"
RETIRED = "retired"
BACK_TO = " back to "
MAX_NAME, MAX_TAG = 256, 256


@dataclass(frozen=True)
class AwsLocation:
    """The fleet's AWS partition, region and account, as used in ARNs."""

    region: str
    account: str
    partition: str = "aws"

    def thing_arn(self, name: str) -> str:
        """The ARN of a thing."""
        return self._arn("iot", f"thing/{name}")

    def thing_group_arn(self, name: str) -> str:
        """The ARN of a thing group."""
        return self._arn("iot", f"thinggroup/{name}")

    def component_arn(self, name: str) -> str:
        """The ARN of a component, without a version."""
        return self._arn("greengrass", f"components:{name}")

    def _arn(self, service: str, what: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{what}"


@dataclass(frozen=True)
class DeploymentRecord:
    """Who sends what, kept in a deployment's tags; `rollout` is the digest of all that the file wants."""

    operator: str
    file: str
    rollout: str

    def build_tags(self, kind: str, site: str, digest: str) -> dict[str, str]:
        """The tags of a deployment."""
        tags = {
            "thing-group": kind,
            "site": site,
            "operator": self.operator,
            "file": self.file,
            "digest": digest,
            "rollout": self.rollout,
        }
        return {f"{PREFIX}:{key}": clean_tag(value) for key, value in tags.items() if value}


def clean_tag(text: str) -> str:
    """A text as AWS takes it in a tag: other characters become `_`."""
    return re.sub(r"[^\w \-.:/=+@]", "_", text)[-MAX_TAG:]


def deployment_name(group: str, digest: str, rollout: str) -> str:
    """A deployment's name; it contains the digests of its content and of the roll-out."""
    return f"{PREFIX} {group} {digest} {rollout}"


def parse_digest(name: str | None) -> str:
    """The digest in a deployment's name; empty if it has none."""
    return _parse_word(name, 2)


def parse_rollout(name: str | None) -> str:
    """The roll-out in a deployment's name; empty if it has none."""
    return _parse_word(name, 3)


def build_group_deployment(
    group: DesiredGroup,
    settings: Mapping[str, DesiredComponent],
    place: AwsLocation,
    record: DeploymentRecord,
    instead_of: str = "",
) -> Json:
    """CreateDeployment for a thing group; `settings` is the settings component in its version.

    Idempotent as long as `instead_of`, the group's deployment until now, is the same.
    """
    versions = " ".join(component.version for component in settings.values())
    components = build_component_requests(
        {**_name_settings_version(group.components, versions), **settings}
    )
    token = f"{group.name} {group.digest} {versions} {instead_of}"
    return {
        "targetArn": place.thing_group_arn(group.name),
        "deploymentName": deployment_name(group.name, group.digest, record.rollout),
        "components": components,
        "iotJobConfiguration": build_job_configuration(group.rollout, group.canary),
        "deploymentPolicies": _policies(group.policies),
        "tags": record.build_tags(group.kind, group.site, group.digest),
        "clientToken": hash_token(token),
    }


def build_group_rollback(
    earlier: Mapping[str, Any], group: DesiredGroup, record: DeploymentRecord, instead_of: str
) -> Json:
    """CreateDeployment that repeats a group's earlier deployment at the file's pace."""
    name = str(earlier.get("deploymentName") or "").split(BACK_TO)[0]
    target = earlier["deploymentId"]
    policies = {"deploymentPolicies": earlier["deploymentPolicies"]}
    return {
        "targetArn": earlier["targetArn"],
        "deploymentName": f"{name}{BACK_TO}{target}"[:MAX_NAME],
        "components": earlier.get("components") or {},
        "iotJobConfiguration": build_job_configuration(group.rollout, group.canary),
        **(policies if earlier.get("deploymentPolicies") else {}),
        "tags": record.build_tags(group.kind, group.site, parse_digest(name)),
        "clientToken": hash_token(f"{group.name}{BACK_TO}{target} from {instead_of}"),
    }


def build_thing_deployment(
    station: DesiredStation,
    kept: Mapping[str, Json],
    kind: str,
    place: AwsLocation,
    instead_of: str,
) -> Json:
    """CreateDeployment for one thing with the file's versions: the last before its group's one.

    `kept` has what else its deployment has until now, as requested.
    """
    components = {**kept, **build_component_requests(station.components)}
    return _build_for_thing(station, components, f"{kind} bridge", place, instead_of)


def build_thing_retirement(
    station: DesiredStation,
    kept: Mapping[str, Json],
    kind: str,
    place: AwsLocation,
    instead_of: str,
) -> Json:
    """CreateDeployment for one thing without the components that its group has now."""
    return _build_for_thing(station, kept, f"{kind} {RETIRED}", place, instead_of)


def _build_for_thing(
    station: DesiredStation,
    components: Mapping[str, Json],
    what: str,
    place: AwsLocation,
    instead_of: str,
) -> Json:
    return {
        "targetArn": place.thing_arn(station.name),
        "deploymentName": f"{PREFIX} {what}",
        "components": dict(components),
        "deploymentPolicies": _policies(station.policies),
        "clientToken": hash_token(f"{station.name} {what} {json.dumps(components)} {instead_of}"),
    }


def _name_settings_version(
    components: Mapping[str, DesiredComponent], version: str
) -> dict[str, DesiredComponent]:
    """Tell the components that read settings which version goes with this deployment: no other is taken."""
    named = {VERSION_KEY: version}
    return {
        name: replace(one, merge={**one.merge, **named}) if name in COMPONENTS else one
        for name, one in components.items()
    }


def build_component_requests(components: Mapping[str, DesiredComponent]) -> dict[str, Json]:
    """The components of a CreateDeployment request."""
    return {name: _build_component_request(component) for name, component in components.items()}


def _build_component_request(component: DesiredComponent) -> Json:
    update: Json = {}
    if component.merge:
        update["merge"] = json.dumps(component.merge, sort_keys=True, ensure_ascii=False)
    if component.reset:
        update["reset"] = list(component.reset)
    written: Json = {"componentVersion": component.version}
    return {**written, "configurationUpdate": update} if update else written


def _policies(policies: DeploymentPolicies) -> Json:
    told = "NOTIFY_COMPONENTS" if policies.notify_components else "SKIP_NOTIFY_COMPONENTS"
    return {
        "failureHandlingPolicy": policies.on_failure,
        "componentUpdatePolicy": {"timeoutInSeconds": policies.notify_timeout_s, "action": told},
        "configurationValidationPolicy": {"timeoutInSeconds": policies.validate_timeout_s},
    }


def _parse_word(name: str | None, place: int) -> str:
    words = (name or "").split(BACK_TO)[0].split(" ")
    return words[place] if len(words) > place and words[0] == PREFIX else ""


def hash_token(text: str) -> str:
    """A client token: the service takes a request with the same one once."""
    return hashlib.sha256(text.encode()).hexdigest()
