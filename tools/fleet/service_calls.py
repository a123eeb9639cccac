"""Calls to AWS over boto3: every error is a FleetError that names the operation and the answer."""

import functools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from sightline.errors import FatalError, RetryableError

Json = dict[str, Any]
T = TypeVar("T")
R = TypeVar("R")
MAX_CONCURRENT_REQUESTS = 16
_UNKNOWN = frozenset({"ResourceNotFoundException", "NoSuchKey", "NoSuchBucket", "404"})
_CONFLICTS = frozenset(
    {"ConflictException", "ResourceAlreadyExistsException", "PreconditionFailed", "412"}
)


class FleetError(RetryableError):
    """A request failed; names the operation and the service's answer."""


class UnknownResourceError(FleetError):
    """The service does not know this name: no such thing, or not a core device yet."""


class ExistingResourceError(FleetError):
    """It is there already, or somebody else changed it in between."""


class MissingCredentialsError(FatalError):
    """AWS credentials, region or account are missing."""


class ServiceCaller:
    """One service's client; subclasses have the operations."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def _call(self, operation: str, **request: Any) -> Json:
        try:
            answer: Json = getattr(self._client, operation)(**request)
        except (NoCredentialsError, NoRegionError) as error:
            raise MissingCredentialsError(str(error)) from error
        except (ClientError, BotoCoreError) as error:
            raise _classify_error(error)(f"{operation}: {error}") from error
        return answer

    def _pages(self, operation: str, key: str, size: int, **request: Any) -> Iterator[Any]:
        token: Json = {}
        while True:
            answer = self._call(operation, maxResults=size, **request, **token)
            yield from answer.get(key, [])
            if not answer.get("nextToken"):
                return
            token = {"nextToken": answer["nextToken"]}


def create_client(service: str, region: str | None, endpoint: str | None) -> Any:
    """A boto3 client with adaptive retries for throttled requests."""
    config = Config(
        retries={"mode": "adaptive", "max_attempts": 10},
        max_pool_connections=MAX_CONCURRENT_REQUESTS,
    )
    return open_session(region).client(service, endpoint_url=endpoint, config=config)


def map_concurrently(work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Apply `work` to several items at a time; yields the results in order."""
    with ThreadPoolExecutor(MAX_CONCURRENT_REQUESTS) as pool:
        yield from pool.map(work, items)


@functools.cache  # it reads the services' models, which are large
def open_session(region: str | None) -> Any:
    """A boto3 session; MissingCredentialsError without a region."""
    session = boto3.Session(region_name=region)
    if session.region_name is None:
        raise MissingCredentialsError("No AWS region: pass --region or set AWS_DEFAULT_REGION")
    return session


def find_account(session: Any) -> str:
    """The account of the credentials."""
    try:
        return str(session.client("sts").get_caller_identity()["Account"])
    except (ClientError, BotoCoreError) as error:
        raise MissingCredentialsError(
            f"No AWS account: pass --account or set up credentials: {error}"
        ) from error


def _classify_error(error: Exception) -> type[FleetError]:
    code = str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else ""
    if code in _UNKNOWN:
        return UnknownResourceError
    return ExistingResourceError if code in _CONFLICTS else FleetError
