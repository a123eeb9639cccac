"""Whether a published component version holds what is staged here, whichever tool published it."""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

PART_BYTES = 8 * 2**20  # of a multipart upload by boto3, which gdk uses, too
ADDED_BY_SERVICE = frozenset({"digest", "algorithm"})
DEFAULTS = {"permission": {"read": "OWNER", "execute": "NONE"}}  # of an artifact that names none


def is_same_recipe(published: str, staged: str) -> bool:
    """Whether two recipes say the same; what the service adds to an artifact does not count."""
    found, wanted = (_normalize(yaml.safe_load(text)) for text in (published, staged))
    return bool(found == wanted)


def is_same_artifact(artifact: Path, stored: Mapping[str, Any], published: str) -> bool:
    """Whether the published recipe's digest, or the object's size and ETag, are those of the artifact."""
    if stored["ContentLength"] != artifact.stat().st_size:
        return False
    digests = find_digests(published)
    if digests:
        return digests == [_calculate_digest(artifact)]
    return str(stored["ETag"]).strip('"') in calculate_etags(artifact)


def find_digests(recipe: str) -> list[str]:
    """The artifacts' SHA-256 as the service has written them into a recipe, in base64."""
    manifests = yaml.safe_load(recipe).get("Manifests") or []
    entries = [entry for one in manifests for entry in one.get("Artifacts") or []]
    return [entry["Digest"] for entry in entries if entry.get("Algorithm") == "SHA-256"]


def calculate_etags(artifact: Path) -> frozenset[str]:
    """The ETags that S3 gives this file: uploaded whole, or in boto3's parts."""
    whole, parts = hashlib.md5(usedforsecurity=False), []
    with artifact.open("rb") as content:
        while piece := content.read(PART_BYTES):
            whole.update(piece)
            parts.append(hashlib.md5(piece, usedforsecurity=False).digest())
    joined = hashlib.md5(b"".join(parts), usedforsecurity=False).hexdigest()
    return frozenset({whole.hexdigest(), f"{joined}-{len(parts)}"})


def _calculate_digest(artifact: Path) -> str:
    with artifact.open("rb") as content:
        found = hashlib.sha256()
        while piece := content.read(PART_BYTES):
            found.update(piece)
    return base64.b64encode(found.digest()).decode()


def _normalize(value: Any) -> Any:
    """Without what is empty or added by the service; keys of a recipe are the same in any case."""
    if isinstance(value, Mapping):
        pairs = ((str(key).lower(), _normalize(entry)) for key, entry in value.items())
        return {
            key: entry
            for key, entry in pairs
            if key not in ADDED_BY_SERVICE
            and entry not in (None, [], {})
            and DEFAULTS.get(key) != entry
        }
    if isinstance(value, list):
        return [_normalize(entry) for entry in value]
    return value
