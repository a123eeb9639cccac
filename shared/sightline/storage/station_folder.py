"""The station's folder on disk: what its components share as files.

A relative folder in the configuration counts from the component's work folder, where the nucleus
starts it; the default is absolute and made by the recipe's install step.
"""

from dataclasses import dataclass
from pathlib import Path

from sightline.messaging.messages import Part

DEFAULT_STATION_FOLDER = "/var/lib/sightline"


@dataclass(frozen=True)
class StationFolder:
    """Where models and pictures lie."""

    root: Path

    @property
    def models(self) -> Path:
        """The content-addressed model store."""
        return self.root / "models"

    @property
    def products(self) -> Path:
        """The products' recipes."""
        return self.root / "products"

    @property
    def evidence_spool(self) -> Path:
        """Pictures that inference wrote and the publisher has yet to store."""
        return self.root / "evidence-spool"

    @property
    def calibration(self) -> Path:
        """The scale of each camera: capture writes it, inference reads it."""
        return self.root / "calibration.json"

    @property
    def positions(self) -> Path:
        """Which camera stands at which position, where that is not as configured."""
        return self.root / "positions.json"

    @property
    def references(self) -> Path:
        """The reference pictures that were taken, a folder for each version."""
        return self.root / "references"


def evidence_key(station_id: str, part: Part, camera: str) -> str:
    """The key of a part's picture, relative to the spool and to every store it goes to."""
    return f"{station_id}/{part.epoch}/{part.part_number}/{camera}.jpg"


def live_key(station_id: str, camera: str) -> str:
    """The key of a camera's live picture, renewed again and again."""
    return f"live/{station_id}/{camera}.jpg"


def put_into_spool(spool: Path, key: str, content: bytes) -> None:
    """Write a picture under its key, whole or not at all; OSError."""
    target = spool / key
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(target.name + ".new")
    draft.write_bytes(content)
    draft.replace(target)
