"""Parts that were taken as the reference: their pictures by version, and which version is in force.

    references/<set>/<version>/<camera>.png
    references/<set>/current                 names the version in force

A set belongs to a product; parts of no product have the set `station`. Where it is not known any more
which version is in force, or its pictures are gone, no part of the product is within its conditions
until a reference is taken again or forgotten.
"""

import contextlib
import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path

import cv2
from msgspec.structs import replace

from capture.commissioning.frame_view import frame_to_bgr
from capture.configuration import CaptureConfiguration, ReferenceConfiguration
from capture.sources.source import CameraFrame
from sightline.errors import PictureError
from sightline.storage.journal import DamageReport, DurableText, sync_folder

log = logging.getLogger(__name__)
NO_PRODUCT_SET = "station"
CURRENT_FILE = "current"
UNKNOWN_VERSION = "unknown"  # no version is called so: its pictures are lacking
_VERSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")


class ReferenceStore:
    """The versions in force by set; the main thread reads, the thread of the commissioning writes."""

    def __init__(self, folder: Path, report: DamageReport) -> None:
        self._folder = folder
        self._in_force = _load_versions(folder, report)

    def version(self, product: str) -> str:
        """The version in force for a product, or nothing."""
        return self._in_force.get(product or NO_PRODUCT_SET, "")

    def is_any_unknown(self) -> bool:
        """Whether it is not known of some product which version is in force."""
        return UNKNOWN_VERSION in self._in_force.values()

    def apply(self, configuration: CaptureConfiguration, product: str) -> CaptureConfiguration:
        """The configuration with the product's taken reference, if there is one; limits as they are."""
        version = self.version(product)
        if not version:
            return configuration
        folder = str(self._folder / (product or NO_PRODUCT_SET) / version)
        limits = configuration.conditions
        reference = replace(
            limits.reference or ReferenceConfiguration(folder=folder), folder=folder
        )
        return replace(configuration, conditions=replace(limits, reference=reference))

    def store(self, product: str, version: str, frames: Mapping[str, CameraFrame]) -> None:
        """Keep the frames as the product's reference, in force at once; OSError, PictureError."""
        name = product or NO_PRODUCT_SET
        target = self._folder / name / version
        target.mkdir(parents=True)
        for camera, frame in frames.items():
            _store_picture(target / f"{camera}.png", frame)
        sync_folder(target)
        self._current_file(name).store(version)
        self._in_force = {**self._in_force, name: version}

    def forget(self, product: str) -> None:
        """No taken reference from now on; the pictures stay. OSError."""
        name = product or NO_PRODUCT_SET
        self._current_file(name).store("")
        self._in_force = {**self._in_force, name: ""}

    def _current_file(self, name: str) -> DurableText:
        return DurableText(self._folder / name / CURRENT_FILE)


def _store_picture(file: Path, frame: CameraFrame) -> None:
    encoded, content = cv2.imencode(".png", frame_to_bgr(frame))
    if not encoded:
        raise PictureError(f"{frame.camera}: the reference cannot be encoded")
    with file.open("wb") as out:
        out.write(content.tobytes())
        out.flush()
        os.fsync(out.fileno())


def _load_versions(folder: Path, report: DamageReport) -> dict[str, str]:
    """What is in force on disk; what cannot be read is set aside, and UNKNOWN stands in its place."""
    found: dict[str, str] = {}
    for file in folder.glob(f"*/{CURRENT_FILE}"):
        name, kept = file.parent.name, DurableText(file)
        version = kept.load_or_set_aside(report)
        if version and not _VERSION.fullmatch(version.strip()):
            kept.set_aside("it names no version", report)
            version = None
        if version is None:
            version = UNKNOWN_VERSION
            with contextlib.suppress(OSError):
                kept.store(version)
        if version.strip():
            found[name] = version.strip()
    return found
