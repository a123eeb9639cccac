"""A thin client for AWS IoT Greengrass over boto3."""

import functools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from sightline.errors import FatalError, RetryableError
from tools.fleet.deployment_requests import AwsLocation, parse_digest, parse_thing_name

Json = dict[str, Any]
T = TypeVar("T")
R = TypeVar("R")
PAGE_SIZE = 100
MAX_CONCURRENT_REQUESTS = 16


class FleetError(RetryableError):
    """A request failed; names the operation and the service's answer."""


class UnknownResourceError(FleetError):
    """The service does not know this name: no such thing, or not a core device yet."""


class MissingCredentialsError(FatalError):
    """AWS credentials, region or account are missing."""


@dataclass(frozen=True)
class LatestDeployment:
    """A target's latest deployment; `digest` is empty if another tool created it."""

    deployment: str
    status: str
    digest: str


class FleetClient:
    """The greengrassv2 operations that this tool uses; every error is a FleetError."""

    def __init__(self, client: Any, place: AwsLocation) -> None:
        self._client = client
        self.location = place

    def list_latest_deployments(self) -> dict[str, LatestDeployment]:
        """The latest deployment of each thing, by thing name; one request per 100."""
        pages = self._pages("list_deployments", "deployments", historyFilter="LATEST_ONLY")
        return {
            thing: LatestDeployment(
                entry["deploymentId"],
                entry.get("deploymentStatus", ""),
                parse_digest(entry.get("deploymentName")),
            )
            for entry in pages
            if (thing := parse_thing_name(entry["targetArn"]))
        }

    def list_deployments(self, station: str) -> list[Json]:
        """All deployments of a station, newest first."""
        target = self.location.thing_arn(station)
        found = self._pages(
            "list_deployments", "deployments", targetArn=target, historyFilter="ALL"
        )
        return sorted(found, key=lambda entry: entry["creationTimestamp"], reverse=True)

    def get_deployment(self, deployment: str) -> Json:
        """A deployment's content."""
        return self._call("get_deployment", deploymentId=deployment)

    def create_deployment(self, request: Json) -> str:
        """Create a deployment; returns its id."""
        return str(self._call("create_deployment", **request)["deploymentId"])

    def create_component(self, request: Json) -> str:
        """Create a component version; returns its ARN."""
        return str(self._call("create_component_version", **request)["arn"])

    def list_core_devices(self, thing_group: str) -> dict[str, Json]:
        """The core devices of a thing group, by name, with their health."""
        group = self.location.thing_group_arn(thing_group)
        found = self._pages("list_core_devices", "coreDevices", thingGroupArn=group)
        return {device["coreDeviceThingName"]: device for device in found}

    def find_outcome(self, station: str, deployment: str) -> Json:
        """A deployment's status on a station as reported by the device; empty before its first report."""
        found = (
            entry for entry in self.list_outcomes(station) if entry["deploymentId"] == deployment
        )
        return next(found, {})

    def list_outcomes(self, station: str) -> Iterator[Json]:
        """The status of each of a station's deployments, newest first."""
        return self._pages(
            "list_effective_deployments", "effectiveDeployments", coreDeviceThingName=station
        )

    def list_installed_components(self, station: str) -> list[Json]:
        """The components on a station with their states."""
        return list(
            self._pages(
                "list_installed_components", "installedComponents", coreDeviceThingName=station
            )
        )

    def _pages(self, operation: str, key: str, **request: Any) -> Iterator[Json]:
        token: Json = {}
        while True:
            answer = self._call(operation, maxResults=PAGE_SIZE, **request, **token)
            yield from answer.get(key, [])
            if not answer.get("nextToken"):
                return
            token = {"nextToken": answer["nextToken"]}

    def _call(self, operation: str, **request: Any) -> Json:
        try:
            answer: Json = getattr(self._client, operation)(**request)
        except (NoCredentialsError, NoRegionError) as error:
            raise MissingCredentialsError(str(error)) from error
        except (ClientError, BotoCoreError) as error:
            kind = (
                UnknownResourceError
                if _error_code(error) == "ResourceNotFoundException"
                else FleetError
            )
            raise kind(f"{operation}: {error}") from error
        return answer


def _error_code(error: Exception) -> str:
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else ""


def connect_to_fleet(region: str | None, account: str | None, endpoint: str | None) -> FleetClient:
    """Connect to the fleet; the account comes from STS if it is not given."""
    session = _session(region)
    partition = session.get_partition_for_region(session.region_name)
    own = account or _find_account(session)
    client = create_client("greengrassv2", session.region_name, endpoint)
    return FleetClient(client, AwsLocation(session.region_name, own, partition))


def create_client(service: str, region: str | None, endpoint: str | None) -> Any:
    """A boto3 client with adaptive retries for throttled requests."""
    config = Config(
        retries={"mode": "adaptive", "max_attempts": 10},
        max_pool_connections=MAX_CONCURRENT_REQUESTS,
    )
    return _session(region).client(service, endpoint_url=endpoint, config=config)


def map_concurrently(work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Apply `work` to several items at a time; yields the results in order."""
    with ThreadPoolExecutor(MAX_CONCURRENT_REQUESTS) as pool:
        yield from pool.map(work, items)


@functools.cache  # it reads the services' models, which are large
def _session(region: str | None) -> Any:
    session = boto3.Session(region_name=region)
    if session.region_name is None:
        raise MissingCredentialsError("No AWS region: pass --region or set AWS_DEFAULT_REGION")
    return session


def _find_account(session: Any) -> str:
    try:
        return str(session.client("sts").get_caller_identity()["Account"])
    except (ClientError, BotoCoreError) as error:
        raise MissingCredentialsError(
            f"No AWS account: pass --account or set up credentials: {error}"
        ) from error
