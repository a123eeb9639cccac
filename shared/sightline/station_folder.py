"""The station's folder on disk: what its components share as files.

A relative folder in the configuration counts from the component's work folder, where the nucleus
starts it; the default is absolute and made by the recipe's install step.
"""

from dataclasses import dataclass
from pathlib import Path

from sightline.messages import Part

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
    def evidence_spool(self) -> Path:
        """Pictures that inference wrote and the publisher has yet to store."""
        return self.root / "evidence-spool"


def evidence_key(station_id: str, part: Part, camera: str) -> str:
    """The key of a part's picture, relative to the spool and to every store it goes to."""
    return f"{station_id}/{part.epoch}/{part.part_number}/{camera}.jpg"
