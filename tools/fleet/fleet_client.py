"""A thin client for AWS IoT Greengrass, its thing groups and the components' bucket, over boto3."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tools.fleet.component_bucket import ComponentBucket
from tools.fleet.deployment_requests import AwsLocation, parse_digest
from tools.fleet.service_calls import (
    ServiceCaller,
    UnknownResourceError,
    create_client,
    find_account,
    open_session,
)
from tools.fleet.thing_groups import ThingGroupClient

Json = dict[str, Any]
PAGE_SIZE = 100


@dataclass(frozen=True)
class LatestDeployment:
    """A target's latest deployment; `digest` is empty if another tool created it."""

    deployment: str
    status: str
    name: str

    @property
    def digest(self) -> str:
        """The digest of what was wanted; empty if another tool created it."""
        return parse_digest(self.name)


@dataclass(frozen=True)
class CoreDevice:
    """What a core device last said of itself; `runtime` is aws_nucleus_classic or aws_nucleus_lite."""

    status: str
    runtime: str
    reported: datetime | None


class FleetClient(ServiceCaller):
    """The greengrassv2 operations that this tool uses; every error is a FleetError."""

    def __init__(
        self, client: Any, place: AwsLocation, things: ThingGroupClient, bucket: ComponentBucket
    ) -> None:
        super().__init__(client)
        self.location = place
        self.things = things
        self.bucket = bucket

    def list_latest_deployments(self) -> dict[str, LatestDeployment]:
        """The latest deployment of each target, by the end of its ARN (`thing/NAME`, `thinggroup/NAME`)."""
        pages = self._pages(
            "list_deployments", "deployments", PAGE_SIZE, historyFilter="LATEST_ONLY"
        )
        return {
            entry["targetArn"].split(":", 5)[-1]: LatestDeployment(
                entry["deploymentId"],
                entry.get("deploymentStatus", ""),
                entry.get("deploymentName") or "",
            )
            for entry in pages
        }

    def list_deployments(self, group: str) -> list[Json]:
        """All deployments of a thing group, newest first."""
        target = self.location.thing_group_arn(group)
        found = self._pages(
            "list_deployments", "deployments", PAGE_SIZE, targetArn=target, historyFilter="ALL"
        )
        return sorted(found, key=lambda entry: entry["creationTimestamp"], reverse=True)

    def get_deployment(self, deployment: str) -> Json:
        """A deployment's content."""
        return self._call("get_deployment", deploymentId=deployment)

    def create_deployment(self, request: Json) -> Json:
        """Create a deployment; the answer has its deploymentId and, for a group, its iotJobId."""
        return self._call("create_deployment", **request)

    def cancel_deployment(self, deployment: str) -> None:
        """Cancel a deployment for the stations that have not received it yet."""
        self._call("cancel_deployment", deploymentId=deployment)

    def create_component(self, request: Json) -> str:
        """Create a component version; returns its ARN."""
        return str(self._call("create_component_version", **request)["arn"])

    def describe_component(self, component: str, version: str) -> Json | None:
        """A component version's status and tags; None if there is no such version."""
        arn = f"{self.location.component_arn(component)}:versions:{version}"
        try:
            return self._call("describe_component", arn=arn)
        except UnknownResourceError:
            return None

    def list_component_versions(self, component: str) -> list[str]:
        """A component's versions in the account."""
        arn = self.location.component_arn(component)
        pages = self._pages("list_component_versions", "componentVersions", PAGE_SIZE, arn=arn)
        try:
            return [entry["componentVersion"] for entry in pages]
        except UnknownResourceError:
            return []

    def list_core_devices(self, thing_group: str) -> dict[str, CoreDevice]:
        """The core devices of a thing group, by name."""
        group = self.location.thing_group_arn(thing_group)
        found = self._pages("list_core_devices", "coreDevices", PAGE_SIZE, thingGroupArn=group)
        try:
            return {
                device["coreDeviceThingName"]: CoreDevice(
                    device.get("status", ""),
                    device.get("runtime") or "",
                    device.get("lastStatusUpdateTimestamp"),
                )
                for device in found
            }
        except UnknownResourceError:  # the group is not there yet
            return {}

    def find_outcome(self, station: str, deployment: str) -> Json:
        """A deployment's status on a station as reported by the device; empty before its first report."""
        found = self._pages(
            "list_effective_deployments",
            "effectiveDeployments",
            PAGE_SIZE,
            coreDeviceThingName=station,
        )
        return next((entry for entry in found if entry["deploymentId"] == deployment), {})

    def list_installed_components(self, station: str) -> Iterator[Json]:
        """The components on a station with their states."""
        return self._pages(
            "list_installed_components",
            "installedComponents",
            PAGE_SIZE,
            coreDeviceThingName=station,
        )


def connect_to_fleet(region: str | None, account: str | None, endpoint: str | None) -> FleetClient:
    """Connect to the fleet; the account comes from STS if it is not given."""
    session = open_session(region)
    name = session.region_name
    partition = session.get_partition_for_region(name)
    own = account or find_account(session)
    return FleetClient(
        create_client("greengrassv2", name, endpoint),
        AwsLocation(name, own, partition),
        ThingGroupClient(create_client("iot", name, endpoint)),
        ComponentBucket(create_client("s3", name, endpoint), name, own),
    )
