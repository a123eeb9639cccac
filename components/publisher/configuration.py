"""The configuration of the publisher component; the defaults are the recipe's."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from sightline.configuration import ConfigurationStruct
from sightline.messaging.messages import CommandKind
from sightline.messaging.topics import PUBLISHER
from sightline.old_component_keys import OLD_COMPONENT_KEYS
from sightline.storage.station_folder import DEFAULT_STATION_FOLDER

Name = Annotated[str, Meta(min_length=1, max_length=64)]
Folder = Annotated[str, Meta(min_length=1)]
Seconds = Annotated[float, Meta(ge=0.05, le=600)]
Mebibytes = Annotated[int, Meta(ge=1, le=1_048_576)]
Days = Annotated[float, Meta(ge=0.001, le=36_500)]
Bucket = Annotated[str, Meta(pattern=r"^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])?$")]
AccountNumber = Annotated[str, Meta(pattern=r"^\d{12}$")]
Prefix = Annotated[str, Meta(pattern=r"^([A-Za-z0-9!_.*'()-]+/)*$", max_length=256)]
# no "_" in the host: the AWS SDK refuses it
EndpointAddress = Annotated[
    str, Meta(pattern=r"^https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?(/\S*)?$")
]
Region = Annotated[str, Meta(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]


class S3Configuration(ConfigurationStruct, frozen=True, kw_only=True):
    """The bucket where pictures go under PREFIX + key; its own rules say how long they stay there.

    Credentials are those that the AWS SDK finds: under Greengrass the token-exchange service's. A
    picture of `multipart_mib` or more goes in parts. A bucket of another account than `bucket_owner` is
    refused. An `endpoint_url` names another server than AWS.
    """

    bucket: Bucket = ""
    prefix: Prefix = ""
    bucket_owner: AccountNumber | None = None
    region: Region = "eu-central-1"
    endpoint_url: EndpointAddress | None = None
    connect_timeout_s: Seconds = 5.0
    read_timeout_s: Seconds = 20.0
    attempts: Annotated[int, Meta(ge=1, le=10)] = 3
    multipart_mib: Annotated[int, Meta(ge=5, le=1024)] = 8


class EvidenceStoreConfiguration(ConfigurationStruct, frozen=True, kw_only=True):
    """Where pictures are kept: in a folder of the machine, or in a bucket.

    Both kinds stand side by side, because a deployment merges its values into the defaults. A relative
    folder counts from the component's work folder; pictures older than `max_age_days` leave it.
    """

    kind: Literal["folder", "s3"] = "folder"
    folder: Folder = "evidence"
    max_age_days: Days = 365.0
    s3: S3Configuration = S3Configuration()

    def __post_init__(self) -> None:
        """ValueError if the chosen kind lacks what it needs."""
        if self.kind == "s3" and not self.s3.bucket:
            raise ValueError("kind s3 needs a bucket in s3.bucket")


class RecordsConfiguration(ConfigurationStruct, frozen=True, kw_only=True):
    """How fast records go to the cloud at most, and from which backlog on that is a fault."""

    rate_hz: Annotated[float, Meta(ge=0.1, le=1000)] = 100.0
    max_backlog: Annotated[int, Meta(ge=1)] = 1_000_000


class SpoolConfiguration(ConfigurationStruct, frozen=True, kw_only=True):
    """How much may wait for the store, and how long; what is over goes by tier, ok pictures first."""

    max_mib: Mebibytes = 4096
    max_age_days: Days = 14.0


class KeepConfiguration(ConfigurationStruct, frozen=True, kw_only=True):
    """Which parts' pictures go to the store; of the ok ones each `each_ok`-th part's (0: none)."""

    defect: bool = True
    review: bool = True
    missed: bool = True
    empty: bool = True
    each_ok: Annotated[int, Meta(ge=0, le=1_000_000)] = 1


class AllowedCommand(ConfigurationStruct, frozen=True, kw_only=True):
    """A kind of command, and by whom it may be issued."""

    kind: CommandKind
    issuers: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=64)]


class CommandsConfiguration(ConfigurationStruct, frozen=True, kw_only=True):
    """Which commands from the cloud are carried out; all others are refused. By default, none is."""

    allowed: Annotated[tuple[AllowedCommand, ...], Meta(max_length=64)] = ()
    max_lifetime_s: Annotated[float, Meta(ge=1, le=604_800)] = 86_400.0


class PublisherConfiguration(ConfigurationStruct, frozen=True, kw_only=True):
    """Where the station stands, what its records say, and where they and the pictures go.

    From `pressure_share` of the outbox's or the spool's limit on, pictures of ok parts are dropped. A
    record waits so long for the gate, and for what sensors behind the gate tell, where there are any.
    """

    OLD_KEYS: ClassVar[Mapping[str, str]] = OLD_COMPONENT_KEYS[PUBLISHER]

    site_id: Name = "site"
    line_id: Name = "line-1"
    station_folder: Folder = DEFAULT_STATION_FOLDER
    evidence: EvidenceStoreConfiguration = EvidenceStoreConfiguration()
    evidence_keep_mib: Mebibytes = 2048
    keep: KeepConfiguration = KeepConfiguration()
    spool: SpoolConfiguration = SpoolConfiguration()
    records: RecordsConfiguration = RecordsConfiguration()
    pressure_share: Annotated[float, Meta(gt=0, le=1)] = 0.8
    gate_wait_ms: Annotated[float, Meta(ge=0, le=60_000)] = 1000.0
    confirmation_wait_ms: Annotated[float, Meta(ge=0, le=60_000)] = 1500.0
    belt_speed_tag: Name = "belt_speed"
    product_labels: tuple[Name, ...] = ("cap_present",)
    commands: CommandsConfiguration = CommandsConfiguration()
