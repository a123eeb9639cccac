"""The configuration of the publisher component; the defaults are the recipe's."""

from typing import Annotated

from msgspec import Meta

from sightline.configuration import Configuration
from sightline.station_folder import DEFAULT_STATION_FOLDER

Name = Annotated[str, Meta(min_length=1, max_length=64)]
Folder = Annotated[str, Meta(min_length=1)]


class FolderEvidenceConfiguration(
    Configuration, frozen=True, kw_only=True, tag_field="kind", tag="folder"
):
    """Pictures are kept in a folder; a relative one counts from the component's work folder."""

    folder: Folder = "evidence"


class RecordsConfiguration(Configuration, frozen=True, kw_only=True):
    """How fast records go to the cloud at most, and from which backlog on that is a fault."""

    rate_hz: Annotated[float, Meta(ge=0.1, le=1000)] = 100.0
    greatest_backlog: Annotated[int, Meta(ge=1)] = 1_000_000


EvidenceConfiguration = FolderEvidenceConfiguration


class PublisherConfiguration(Configuration, frozen=True, kw_only=True):
    """Where the station stands, what its records say, and where they and the pictures go."""

    site_id: Name = "site"
    line_id: Name = "line-1"
    station_folder: Folder = DEFAULT_STATION_FOLDER
    evidence: EvidenceConfiguration = FolderEvidenceConfiguration()
    evidence_keep_mib: Annotated[int, Meta(ge=1, le=1_048_576)] = 2048
    records: RecordsConfiguration = RecordsConfiguration()
    gate_wait_ms: Annotated[float, Meta(ge=0, le=60_000)] = 1000.0
    belt_speed_tag: Name = "belt_speed"
    product_labels: tuple[Name, ...] = ("cap_present",)
