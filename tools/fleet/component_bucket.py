"""The bucket of the components: the fleet's settings and its lock are kept there, too."""

from dataclasses import dataclass
from typing import Any

from tools.fleet.service_calls import ServiceCaller, UnknownResourceError

Json = dict[str, Any]


@dataclass(frozen=True)
class StoredObject:
    """An object's content, and the tag by which S3 tells a changed one."""

    content: bytes
    etag: str


class ComponentBucket(ServiceCaller):
    """Objects in `sightline-components-REGION-ACCOUNT`; a bucket of another account is refused."""

    def __init__(self, client: Any, region: str, account: str) -> None:
        super().__init__(client)
        self.name = f"sightline-components-{region}-{account}"
        self._place = {"Bucket": self.name, "ExpectedBucketOwner": account}

    def build_put(self, key: str, content: bytes | str, **conditions: str) -> Json:
        """The PutObject request."""
        return {**self._place, "Key": key, "Body": content, **conditions}

    def put(self, request: Json) -> str:
        """Store an object; returns its ETag. ExistingResourceError if a condition does not hold."""
        return str(self._call("put_object", **request)["ETag"])

    def read(self, key: str) -> StoredObject | None:
        """An object's content; None if there is none."""
        try:
            answer = self._call("get_object", **self._place, Key=key)
        except UnknownResourceError:
            return None
        return StoredObject(answer["Body"].read(), answer["ETag"])

    def delete(self, key: str, etag: str) -> None:
        """Delete an object unless it has changed."""
        self._call("delete_object", **self._place, Key=key, IfMatch=etag)
