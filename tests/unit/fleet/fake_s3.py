"""One bucket in memory, behind the endpoint: objects, conditional writes and deletes, the owner checked."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

Answer = tuple[int, dict[str, str], bytes]


class FakeBucket:
    """Answers for one bucket of one account; `exists` is False before components were published."""

    def __init__(self, name: str, account: str) -> None:
        self.name, self.account = name, account
        self.objects: dict[str, bytes] = {}
        self.exists = True
        self.asked: Counter[str] = Counter()

    def answer_object(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Answer | None:
        """As S3 answers, in its XML; None for other paths."""
        path = unquote(urlsplit(target).path).lstrip("/")
        bucket, _, key = path.partition("/")
        if bucket != self.name:
            return None
        given = {name.lower(): value for name, value in headers.items()}
        self.asked[method] += 1
        if not self.exists:
            return _error(404, "NoSuchBucket")
        if given.get("x-amz-expected-bucket-owner") != self.account:
            return _error(403, "AccessDenied")
        if not self._meets_conditions(key, given):
            return _error(412, "PreconditionFailed")
        if method == "PUT":
            self.objects[key] = body
            return 200, {"ETag": _etag(body)}, b""
        if key not in self.objects:
            return _error(404, "NoSuchKey")
        if method == "DELETE":
            del self.objects[key]
            return 204, {}, b""
        return 200, {"ETag": _etag(self.objects[key])}, self.objects[key]

    def _meets_conditions(self, key: str, headers: Mapping[str, str]) -> bool:
        found = self.objects.get(key)
        if headers.get("if-none-match") == "*" and found is not None:
            return False
        wanted = headers.get("if-match")
        return wanted is None or (found is not None and _etag(found) == wanted)


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def _error(status: int, code: str) -> Answer:
    words = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
    return status, {"Content-Type": "application/xml"}, words.encode()
