"""One roll-out of a kind at a time: a lock that two operators on two machines see.

It is an object in the components' bucket, `fleet/locks/KIND.json`, written only if there is none. It says
who holds it, since when and for what, and never expires: an old one may belong to a roll-out that still
runs. Whoever breaks it says why; the one who lost it stops before the next request that changes something.
"""

import getpass
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone

from sightline.errors import FatalError
from tools.fleet.component_bucket import ComponentBucket, StoredObject
from tools.fleet.rollout_clock import RolloutClock
from tools.fleet.service_calls import ExistingResourceError, FleetError, UnknownResourceError


class LockedError(FatalError):
    """Another roll-out of this kind holds the lock, or took it away."""


@dataclass(frozen=True)
class LockContent:
    """What the lock says; `broken` has the reason if it replaced another's."""

    operator: str
    command: str
    since: str
    process: int
    broken: str = ""


class RolloutLock:
    """The lock while it is held."""

    def __init__(self, bucket: ComponentBucket, key: str, etag: str) -> None:
        self._bucket, self._key, self._etag = bucket, key, etag

    def check(self) -> None:
        """LockedError if somebody broke the lock: whoever did may be deploying by now."""
        found = self._bucket.read(self._key)
        if found is None or found.etag != self._etag:
            who = f" by {_describe(found)}" if found else ""
            raise LockedError(
                f"The lock s3://{self._bucket.name}/{self._key} was broken{who}; nothing more is sent"
            )

    def release(self) -> None:
        """Delete the lock, unless it is another's by now."""
        try:
            self._bucket.delete(self._key, self._etag)
        except (ExistingResourceError, UnknownResourceError):
            return


def default_operator() -> str:
    """USER@HOST, for the lock and the deployments' tags; CloudTrail has the credentials' own name."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


@contextmanager
def hold_rollout_lock(
    bucket: ComponentBucket,
    kind: str,
    operator: str,
    command: str,
    clock: RolloutClock,
    break_reason: str = "",
) -> Iterator[RolloutLock]:
    """Hold the kind's lock; LockedError names who has it."""
    since = datetime.fromtimestamp(clock.utc_s(), timezone.utc).isoformat(timespec="seconds")
    content = LockContent(operator, command, since, os.getpid())
    lock = _take(bucket, f"fleet/locks/{kind}.json", content, break_reason)
    try:
        yield lock
    finally:
        lock.release()


def _take(bucket: ComponentBucket, key: str, content: LockContent, reason: str) -> RolloutLock:
    try:
        etag = bucket.put(bucket.build_put(key, _encode(content), IfNoneMatch="*"))
        return RolloutLock(bucket, key, etag)
    except UnknownResourceError as error:
        raise FleetError(
            f"{error}; the lock is kept there: publish the components first (tools.stage.publish)"
        ) from error
    except ExistingResourceError:
        found = bucket.read(key)
    if found is None:
        raise LockedError("The lock was released just now; run the same command again")
    if not reason:
        raise LockedError(
            f"Another roll-out holds the lock: {_describe(found)}. Wait for its end. If it has ended "
            f"without releasing the lock, add --break-lock REASON "
            f"(s3://{bucket.name}/{key})"
        )
    return _break(bucket, key, content, found, reason)


def _break(
    bucket: ComponentBucket, key: str, content: LockContent, found: StoredObject, reason: str
) -> RolloutLock:
    broken = f"{reason} (was: {_describe(found)})"
    own = LockContent(**{**asdict(content), "broken": broken})
    try:
        etag = bucket.put(bucket.build_put(key, _encode(own), IfMatch=found.etag))
    except ExistingResourceError as error:
        raise LockedError(
            "The lock changed hands just now; look who has it before breaking it"
        ) from error
    return RolloutLock(bucket, key, etag)


def _encode(content: LockContent) -> bytes:
    return json.dumps(asdict(content), indent=1).encode()


def _describe(found: StoredObject) -> str:
    try:
        said = json.loads(found.content)
        return f"{said['operator']} since {said['since']}: {said['command']}"
    except (ValueError, KeyError, TypeError):
        return "an unreadable lock"
