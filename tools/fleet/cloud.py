"""The fleet as AWS IoT Greengrass knows it: a thin layer over boto3's client."""

import functools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from sightline.errors import FatalError, RetryableError
from tools.fleet.requests import Place, digest_in, thing_of

Json = dict[str, Any]
T = TypeVar("T")
R = TypeVar("R")
PAGE = 100
AT_A_TIME = 16


class FleetError(RetryableError):
    """The service did not do what was asked: says the operation and what it answered."""


class NotThereError(FleetError):
    """The service knows nothing of that name: no such thing, or no core device of it yet."""


class NoFleetError(FatalError):
    """There are no credentials, no region or no account to work with."""


@dataclass(frozen=True)
class Latest:
    """The deployment that a target had last; `digest` is empty if it was not made by this tool."""

    deployment: str
    status: str
    digest: str


class Cloud:
    """What this tool asks of greengrassv2; every error is a FleetError."""

    def __init__(self, client: Any, place: Place) -> None:
        self._client = client
        self.place = place

    def latest(self) -> dict[str, Latest]:
        """The last deployment of each thing, by the thing's name; one request for 100 of them."""
        pages = self._pages("list_deployments", "deployments", historyFilter="LATEST_ONLY")
        return {
            thing: Latest(
                entry["deploymentId"],
                entry.get("deploymentStatus", ""),
                digest_in(entry.get("deploymentName")),
            )
            for entry in pages
            if (thing := thing_of(entry["targetArn"]))
        }

    def history(self, station: str) -> list[Json]:
        """All deployments of a station, the newest first."""
        target = self.place.thing(station)
        found = self._pages(
            "list_deployments", "deployments", targetArn=target, historyFilter="ALL"
        )
        return sorted(found, key=lambda entry: entry["creationTimestamp"], reverse=True)

    def deployment(self, deployment: str) -> Json:
        """A deployment's content."""
        return self._ask("get_deployment", deploymentId=deployment)

    def create(self, request: Json) -> str:
        """Create a deployment; returns its id."""
        return str(self._ask("create_deployment", **request)["deploymentId"])

    def create_component(self, request: Json) -> str:
        """Create a component version; returns its ARN."""
        return str(self._ask("create_component_version", **request)["arn"])

    def devices(self, thing_group: str) -> dict[str, Json]:
        """The core devices of a thing group, by name, with their health."""
        group = self.place.thing_group(thing_group)
        found = self._pages("list_core_devices", "coreDevices", thingGroupArn=group)
        return {device["coreDeviceThingName"]: device for device in found}

    def outcome(self, station: str, deployment: str) -> Json:
        """What became of a deployment on a station, as the device said; empty before it said anything."""
        found = (entry for entry in self.outcomes(station) if entry["deploymentId"] == deployment)
        return next(found, {})

    def outcomes(self, station: str) -> Iterator[Json]:
        """What became of a station's deployments, the newest first."""
        return self._pages(
            "list_effective_deployments", "effectiveDeployments", coreDeviceThingName=station
        )

    def components(self, station: str) -> list[Json]:
        """The components on a station with their states."""
        return list(
            self._pages(
                "list_installed_components", "installedComponents", coreDeviceThingName=station
            )
        )

    def _pages(self, operation: str, key: str, **request: Any) -> Iterator[Json]:
        token: Json = {}
        while True:
            answer = self._ask(operation, maxResults=PAGE, **request, **token)
            yield from answer.get(key, [])
            if not answer.get("nextToken"):
                return
            token = {"nextToken": answer["nextToken"]}

    def _ask(self, operation: str, **request: Any) -> Json:
        try:
            answer: Json = getattr(self._client, operation)(**request)
        except (NoCredentialsError, NoRegionError) as error:
            raise NoFleetError(str(error)) from error
        except (ClientError, BotoCoreError) as error:
            kind = NotThereError if _code_of(error) == "ResourceNotFoundException" else FleetError
            raise kind(f"{operation}: {error}") from error
        return answer


def _code_of(error: Exception) -> str:
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else ""


def connect(region: str | None, account: str | None, endpoint: str | None) -> Cloud:
    """A client for the fleet; the account is asked of STS if it is not given."""
    session = _session(region)
    partition = session.get_partition_for_region(session.region_name)
    own = account or _own_account(session)
    client = client_of("greengrassv2", session.region_name, endpoint)
    return Cloud(client, Place(session.region_name, own, partition))


def client_of(service: str, region: str | None, endpoint: str | None) -> Any:
    """A boto3 client that tries again, ever later, when the service asks for patience."""
    config = Config(
        retries={"mode": "adaptive", "max_attempts": 10}, max_pool_connections=AT_A_TIME
    )
    return _session(region).client(service, endpoint_url=endpoint, config=config)


def all_of(work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Each item's result, in order, several at a time."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield from pool.map(work, items)


@functools.cache  # it reads the services' models, which are large
def _session(region: str | None) -> Any:
    session = boto3.Session(region_name=region)
    if session.region_name is None:
        raise NoFleetError("no region: give --region or set AWS_DEFAULT_REGION")
    return session


def _own_account(session: Any) -> str:
    try:
        return str(session.client("sts").get_caller_identity()["Account"])
    except (ClientError, BotoCoreError) as error:
        raise NoFleetError(f"no account: give --account, or credentials: {error}") from error
