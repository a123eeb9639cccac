"""Storage for pictures and results: a folder, or an S3 bucket (`s3://BUCKET/PREFIX`)."""

import atexit
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sightline.errors import ConfigurationError, EvidenceError

S3_SCHEME = "s3://"
FETCH_THREADS = 8  # requests at a time; most of each is waiting
ResponseT = TypeVar("ResponseT")
CACHE_FOLDER_VARIABLE = "SIGHTLINE_CACHE"


class Storage(Protocol):
    """Files by name; names are relative and use slashes."""

    address: str

    def list_names(self) -> list[str]:
        """All file names, sorted; EvidenceError if the storage cannot be read."""

    def content_tag(self, name: str) -> str:
        """A text that changes with the file's content, for a name from `list_names`."""

    def fetch(self, name: str) -> Path:
        """A local file with the content; EvidenceError if it cannot be fetched."""

    def store(self, name: str, content: bytes) -> None:
        """Write a file atomically; EvidenceError."""


class LocalStorage:
    """A folder on this machine."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder)
        self._folder = folder

    def list_names(self) -> list[str]:
        """All files below the folder."""
        if not self._folder.is_dir():
            raise EvidenceError(f"{self._folder} is not a folder")
        files = (file for file in self._folder.rglob("*") if file.is_file())
        return sorted(file.relative_to(self._folder).as_posix() for file in files)

    def content_tag(self, name: str) -> str:
        """Size and modification time."""
        facts = self.fetch(name).stat()
        return f"{facts.st_size}-{facts.st_mtime_ns}"

    def fetch(self, name: str) -> Path:
        """The file itself."""
        file = self._folder / name
        if not file.is_file():
            raise EvidenceError(f"{file} is missing")
        return file

    def store(self, name: str, content: bytes) -> None:
        """Write to a temporary file, then rename it."""
        file = self._folder / name
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            draft = file.with_name(f".{file.name}.new")
            draft.write_bytes(content)
            draft.replace(file)
        except OSError as error:
            raise EvidenceError(f"Cannot write {file}: {error}") from error


class S3Storage:
    """The objects below a prefix of a bucket; fetched objects are cached until they change.

    Credentials, region and endpoint come from the AWS SDK's usual sources (also `AWS_ENDPOINT_URL`).
    """

    def __init__(self, bucket: str, prefix: str, cache: Path) -> None:
        self.address = f"{S3_SCHEME}{bucket}/{prefix}".rstrip("/")
        self._bucket = bucket
        self._prefix = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
        self._cache = cache
        self._client: Any = None
        self._tags: dict[str, str] = {}

    def list_names(self) -> list[str]:
        """All objects below the prefix, without placeholders for folders."""

        def list_objects() -> list[str]:
            pages = self._open_client().get_paginator("list_objects_v2")
            found = []
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
                for entry in page.get("Contents", []):
                    name = entry["Key"][len(self._prefix) :]
                    if name and not name.endswith("/"):
                        found.append(name)
                        self._tags[name] = str(entry["ETag"])
            return sorted(found)

        return self._call_or_raise(self.address, list_objects)

    def content_tag(self, name: str) -> str:
        """The object's ETag."""
        known = self._tags.get(name)
        if known is not None:
            return known
        head = {"Bucket": self._bucket, "Key": self._prefix + name}
        return self._call_or_raise(
            f"{self.address}/{name}", lambda: str(self._open_client().head_object(**head)["ETag"])
        )

    def fetch(self, name: str) -> Path:
        """The copy in the cache, fetched again if the object's tag has changed."""
        address = f"{self.address}/{name}"
        key = self._prefix + name
        file = _resolve_within(self._cache, f"{self._bucket}/{key}")
        tag = self.content_tag(name)
        marker = file.with_name(f".{file.name}.tag")
        try:
            if file.is_file() and marker.is_file() and marker.read_text() == tag:
                return file
            file.parent.mkdir(parents=True, exist_ok=True)
            draft = file.with_name(f".{file.name}.new")
            self._call_or_raise(
                address, lambda: self._open_client().download_file(self._bucket, key, str(draft))
            )
            draft.replace(file)
            marker.write_text(tag)
        except OSError as error:
            raise EvidenceError(f"{address} cannot be kept in {file.parent}: {error}") from error
        return file

    def store(self, name: str, content: bytes) -> None:
        """Write the object in one request, so atomically."""
        put = {"Bucket": self._bucket, "Key": self._prefix + name, "Body": content}
        self._tags.pop(name, None)
        self._call_or_raise(f"{self.address}/{name}", lambda: self._open_client().put_object(**put))

    def _open_client(self) -> Any:
        if self._client is None:
            import boto3  # late: takes a second, and only buckets need it
            from botocore.config import Config

            own = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
            # few servers other than AWS support BUCKET.HOST
            style = {"addressing_style": "path" if own else "auto"}
            self._client = boto3.session.Session().client(
                "s3", config=Config(s3=style, retries={"mode": "standard"})
            )
        return self._client

    def _call_or_raise(self, address: str, call: Callable[[], ResponseT]) -> ResponseT:
        import boto3.exceptions
        import botocore.exceptions

        try:
            return call()
        except (
            botocore.exceptions.BotoCoreError,
            botocore.exceptions.ClientError,
            boto3.exceptions.Boto3Error,
        ) as error:
            raise EvidenceError(f"{address}: {error}") from error


def open_storage(address: str, cache: Path | None = None) -> Storage:
    """The storage at an address; ConfigurationError if an s3:// address has no bucket."""
    if not address.startswith(S3_SCHEME):
        return LocalStorage(Path(address))
    bucket, _, prefix = address[len(S3_SCHEME) :].partition("/")
    if not bucket:
        raise ConfigurationError(f"{address}: expected s3://BUCKET/PREFIX")
    return S3Storage(bucket, prefix, cache or find_cache_folder())


def find_cache_folder() -> Path:
    """The folder for copies of objects: $SIGHTLINE_CACHE, or ~/.cache/sightline."""
    given = os.environ.get(CACHE_FOLDER_VARIABLE)
    return Path(given) if given else Path.home() / ".cache" / "sightline"


def fetch_folder(address: str, cache: Path | None = None) -> Path:
    """The folder itself, or a new folder with all objects below the prefix; shows progress.

    That folder has links to the cache, so objects that were deleted from the bucket are not in it.
    """
    storage = open_storage(address, cache)
    if isinstance(storage, LocalStorage):
        return Path(address)
    names = storage.list_names()
    if not names:
        raise EvidenceError(f"{address} holds no objects")
    mark = hashlib.sha256(storage.address.encode()).hexdigest()[:16]
    view = (
        (cache or find_cache_folder())
        / "views"
        / f"{mark}-{os.getpid()}"
        / storage.address.split("/")[-1]
    )
    shutil.rmtree(view.parent, ignore_errors=True)
    atexit.register(shutil.rmtree, view.parent, ignore_errors=True)
    with ThreadPoolExecutor(FETCH_THREADS) as fetchers:
        for done, (name, file) in enumerate(
            zip(names, fetchers.map(storage.fetch, names), strict=True)
        ):
            link = _resolve_within(view, name)
            link.parent.mkdir(parents=True, exist_ok=True)
            os.link(file, link)
            if (done + 1) % 200 == 0 or done + 1 == len(names):
                sys.stderr.write(f"  fetched {done + 1} of {len(names)} objects of {address}\n")
    return view


def fetch_file(address: str, near: Path) -> Path:
    """A file of a manifest: an s3:// address, or a path relative to `near`."""
    if address.startswith(S3_SCHEME):
        cache = find_cache_folder()
        _resolve_within(cache, address[len(S3_SCHEME) :])  # before any part of it is stripped
        folder, _, name = address.rpartition("/")
        return _open_cached_storage(folder, cache).fetch(name)
    return near / address


@lru_cache(maxsize=64)
def _open_cached_storage(address: str, cache: Path) -> Storage:
    return open_storage(address, cache)


def _resolve_within(folder: Path, name: str) -> Path:
    """The path of a name below a folder; EvidenceError if it leads elsewhere, also by a link."""
    parts = name.split("/")
    try:
        inside = (folder / name).resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError) as error:  # too long, a zero byte, links in a circle
        raise EvidenceError(f"{name!r} cannot be a file below {folder}: {error}") from error
    if not inside or any(part in ("", ".", "..") for part in parts):
        raise EvidenceError(
            f"{name!r} leads out of {folder}; names whose parts between slashes are empty, '.' or '..' "
            "are not read. Rename the object"
        )
    return folder / name


def filter_by_suffix(names: Sequence[str], suffixes: frozenset[str]) -> list[str]:
    """The names with one of these suffixes."""
    return [name for name in names if Path(name).suffix.lower() in suffixes]
