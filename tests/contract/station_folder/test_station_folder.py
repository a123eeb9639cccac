"""A station's folder of the last release, with unsent work, is opened by today's components and drained.

station-folder-0.1.tar.xz was written by a whole station that was stopped in the middle: inference's ledger
has parts 1 to 27, the publisher has settled 21 of them and not sent the last, the cloud side has 20 records.
"""

import sqlite3
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from capture.configuration import CaptureConfiguration
from capture.numbering import NumberingFile, next_by_counter
from cloud.message_intake import MessageIntake
from cloud.site import restore_summary
from cloud.store.record_store import PartsQuery
from cloud.store.sqlite_store import SqliteStore
from cloud.wire.receipts import ReceiptPublisher
from cloud.wire.site_limits import SiteLimits
from equipment.configuration import EquipmentConfiguration
from inference.component import InferenceComponent
from inference.configuration import InferenceConfiguration
from inference.ledger.verdict_ledger import Ledger
from publisher.audit_trail import AuditTrail
from publisher.component import build_publisher
from publisher.configuration import PublisherConfiguration
from publisher.outbox import Outbox
from sightline.clock import SystemClock
from sightline.configuration import ConfigurationStruct, find_old_keys
from sightline.kernel.component import ComponentContext
from sightline.kernel.component_loop import RunningComponent
from sightline.kernel.configuration_keeper import OLD_KEYS_FAULT, LastGoodConfiguration
from sightline.kernel.health import ComponentHealth
from sightline.messaging.bus import Inbox
from sightline.messaging.codec import encode
from sightline.messaging.memory_bus import MemoryBus, MemoryExchange
from sightline.messaging.messages import (
    Command,
    CommandArgument,
    CommandKind,
    CommandOutcome,
    InspectionRecord,
    Part,
    PartCaptured,
)
from sightline.messaging.topics import (
    CAPTURE,
    COMMAND,
    COMMAND_OUTCOME,
    COMPONENTS,
    EQUIPMENT,
    GAP_RECORD,
    GATE_CORRECTION,
    INFERENCE,
    INSPECTION_RECORD,
    PART_CAPTURED,
    PUBLISHER,
    RECORDS_REFUSED,
    RECORDS_STORED,
    TELEMETRY,
    MessageStream,
    streams_read_by,
)
from telemetry.configuration import TelemetryConfiguration
from tools.fleet.merge_tree import merge_trees
from tools.recipes import build_expected_configuration

ARCHIVE = Path(__file__).parent / "station-folder-0.1.tar.xz"
STATION = "station-1"
EPOCH = 1_796_065_857
JUDGED, SETTLED, STORED = 27, 21, 20
DRAIN_TIMEOUT_S = 30.0
STRUCTS: dict[str, type[ConfigurationStruct]] = {
    CAPTURE: CaptureConfiguration,
    EQUIPMENT: EquipmentConfiguration,
    INFERENCE: InferenceConfiguration,
    PUBLISHER: PublisherConfiguration,
    TELEMETRY: TelemetryConfiguration,
}
VALUES_OF_THEN: dict[str, Callable[[Any], object]] = {
    CAPTURE: lambda now: (now.conditions.max_brightness, now.product),
    EQUIPMENT: lambda now: (now.link.opcua.max_retry_s, now.tags[3].min_value, len(now.tags)),
    INFERENCE: lambda now: (now.shadow.max_wait_s, now.max_ledger_parts),
    PUBLISHER: lambda now: (now.site_id, now.spool.max_mib, now.commands.max_lifetime_s),
    TELEMETRY: lambda now: (now.outliers.min_readings, len(now.profiles)),
}
EXPECTED_VALUES: dict[str, object] = {
    CAPTURE: (247.0, "bottle"),
    EQUIPMENT: (3.0, -60.0, 6),
    INFERENCE: (20.0, 100_000),
    PUBLISHER: ("laptop", 4096, 86_400.0),
    TELEMETRY: (20, 6),
}
Json = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The station's folder as it was left."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path / "station", filter="data")
    return tmp_path / "station"


def work_folder(folder: Path, component: str) -> Path:
    return folder / "nucleus" / "work" / component


def load_nucleus_values(folder: Path, component: str) -> Json:
    """The component's configuration as the nucleus has it."""
    path = folder / "nucleus" / "configuration" / f"{component}.json"
    values: Json = msgspec.json.decode(path.read_bytes())["values"]
    return values


def make_health(component: str) -> ComponentHealth:
    return ComponentHealth(component, "test", STATION, SystemClock())


def load_configuration_of_then(
    folder: Path, component: str, values: Json, health: ComponentHealth
) -> Any:
    keeper = LastGoodConfiguration(STRUCTS[component], work_folder(folder, component), health)
    return keeper.load_first(values)


def list_fault_levels(health: ComponentHealth) -> dict[str, str]:
    return {fault.code: fault.level for fault in health.build_report().faults}


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_configuration_of_then_loads_with_a_warning(folder: Path, component: str) -> None:
    health = make_health(component)
    values = load_nucleus_values(folder, component)
    loaded = load_configuration_of_then(folder, component, values, health)
    assert VALUES_OF_THEN[component](loaded) == EXPECTED_VALUES[component]
    assert list_fault_levels(health) == {OLD_KEYS_FAULT: "warning"}


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_configuration_of_then_under_the_recipe_of_today_loads_with_a_fault(
    folder: Path, component: str
) -> None:
    health = make_health(component)
    default = build_expected_configuration(component, STRUCTS[component])
    values = merge_trees(default, load_nucleus_values(folder, component))
    loaded = load_configuration_of_then(folder, component, values, health)
    assert VALUES_OF_THEN[component](loaded) == EXPECTED_VALUES[component]
    assert list_fault_levels(health) == {OLD_KEYS_FAULT: "fault"}


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_last_good_configuration_of_then_is_one_to_start_with(
    folder: Path, component: str
) -> None:
    health = make_health(component)
    loaded = load_configuration_of_then(folder, component, {"noSuchKey": 1}, health)
    assert VALUES_OF_THEN[component](loaded) == EXPECTED_VALUES[component]
    expected = {"configuration-refused": "fault", OLD_KEYS_FAULT: "warning"}
    assert list_fault_levels(health) == expected
    assert find_old_keys(STRUCTS[component], msgspec.to_builtins(loaded)) == []


class CloudOfThen(MemoryExchange):
    """The bus, and behind it the cloud side on the database of then."""

    def __init__(self, database: Path) -> None:
        super().__init__()
        self.store = SqliteStore(database)
        self.records_of_then = self.records()
        self.summary = restore_summary(self.store, SiteLimits())
        receipts = ReceiptPublisher(self._publish_receipt)
        self._intake = MessageIntake(self.store, self.summary, publish_receipts=receipts.publish)
        self._intake.start()

    def publish(self, stream: MessageStream, payload: bytes) -> None:
        """Deliver; what is a record goes to the cloud side, too."""
        super().publish(stream, payload)
        if stream in (INSPECTION_RECORD, GATE_CORRECTION, GAP_RECORD):
            self._intake.deliver(stream.build_topic(STATION), payload)

    def _publish_receipt(self, topic: str, payload: bytes) -> None:
        stored = topic == RECORDS_STORED.build_topic(STATION)
        super().publish(RECORDS_STORED if stored else RECORDS_REFUSED, payload)

    def records(self) -> list[InspectionRecord]:
        """What is stored, in the order in which it was."""
        page = self.store.load_parts(PartsQuery(limit=500))
        return [msgspec.json.decode(body, type=InspectionRecord) for body in page.bodies][::-1]

    def close(self) -> None:
        """Store what came, and close the database."""
        self._intake.close(10.0)
        self.store.close()


@dataclass(frozen=True)
class RunningPart:
    """A component of the station with its inbox."""

    component: RunningComponent
    inbox: Inbox
    health: ComponentHealth


class StationOfToday:
    """Today's inference and publisher in the work folders of then, and the cloud side."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cloud = CloudOfThen(folder / "cloud" / "records.sqlite")
        self._parts: list[RunningPart] = []
        self.start(PUBLISHER, build_publisher)
        self.start(INFERENCE, InferenceComponent)

    def start(self, name: str, build: Callable[[ComponentContext[Any]], RunningComponent]) -> None:
        """Start a component with its configuration of then, as its process would."""
        inbox, health = Inbox(), make_health(name)
        bus = MemoryBus(self.cloud, inbox)
        values = load_nucleus_values(self.folder, name)
        configuration = load_configuration_of_then(self.folder, name, values, health)
        for stream in streams_read_by(name):
            bus.subscribe(stream)
        context = ComponentContext(
            *(configuration, bus, inbox, SystemClock(), health, STATION),
            work_folder(self.folder, name),
        )
        self._parts.append(RunningPart(build(context), inbox, health))

    def run_until(self, what: str, holds: Callable[[], bool]) -> None:
        """Let both loops run until a condition holds."""
        end_s = time.monotonic() + DRAIN_TIMEOUT_S
        while not holds():
            assert time.monotonic() < end_s, f"waited in vain: {what}"
            for part in self._parts:
                event = part.inbox.next_event(0.005)
                if event is not None:
                    part.component.handle(event)
                part.component.tick()

    def run_for(self, seconds: float) -> None:
        """Let both loops run for a while."""
        end_s = time.monotonic() + seconds
        self.run_until("the end", lambda: time.monotonic() > end_s)

    def drain(self, parts: int) -> None:
        """Run until the cloud has that many records, and nothing waits to be sent."""
        (publisher, _) = self._parts
        self.run_until("the records", lambda: len(self.cloud.records()) >= parts)
        self.run_until(
            "the receipts",
            lambda: publisher.health.build_report().gauges.get("outbox_depth") == 0,
        )

    def faults_of(self, name: str) -> set[str]:
        """What is wrong with a component, but for the old keys."""
        (health,) = (part.health for part in self._parts if part.health.component == name)
        return list_fault_levels(health).keys() - {OLD_KEYS_FAULT}

    def command_results(self) -> dict[str, str]:
        """What the cloud was told last of each command."""
        told = self.cloud.messages_on(COMMAND_OUTCOME)
        return {one.command_id: one.result for one in told if isinstance(one, CommandOutcome)}

    def sent_numbers(self) -> list[int]:
        """The parts whose records went to the cloud side, repeats left out."""
        sent = self.cloud.messages_on(INSPECTION_RECORD)
        numbers = [one.partNumber for one in sent if isinstance(one, InspectionRecord)]
        return list(dict.fromkeys(numbers))

    def close(self) -> None:
        """End all."""
        for part in self._parts[::-1]:
            part.component.close()
        self.cloud.close()


@pytest.fixture
def station(folder: Path) -> Iterator[StationOfToday]:
    """The station, which runs."""
    station = StationOfToday(folder)
    yield station
    station.close()


def test_each_part_gets_to_the_cloud_exactly_once_and_in_order(station: StationOfToday) -> None:
    stored = station.cloud.records_of_then
    assert [record.partNumber for record in stored] == [*range(1, STORED + 1)]
    station.drain(JUDGED)
    station.run_for(1.0)  # a repeat would come now
    records = station.cloud.records()
    assert [(r.epoch, r.partNumber) for r in records] == [(EPOCH, n) for n in range(1, JUDGED + 1)]
    assert station.sent_numbers() == [*range(SETTLED, JUDGED + 1)]
    assert station.cloud.messages_on(GAP_RECORD) == []
    assert records[:STORED] == stored
    assert {"ok", "defect"} <= {record.verdict for record in records[STORED:]}
    assert "unreadable" not in " ".join(record.reason for record in records)


def test_the_figures_of_then_go_on(station: StationOfToday) -> None:
    station.drain(JUDGED)
    snapshot = station.cloud.summary.snapshot(0, STATION)
    assert snapshot["records"]["received"] == JUDGED
    assert sum(snapshot["parts"].values()) == JUDGED
    assert set(snapshot["health"]) == set(COMPONENTS)
    assert list(snapshot["machine"]) == ["conveyor-1"]


def list_columns(path: Path) -> set[tuple[str, str]]:
    """The tables of a database with their columns."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c"
            " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'"
        ).fetchall()
    return set(rows)


@pytest.mark.parametrize(
    ("component", "name", "create"),
    [
        (INFERENCE, "ledger.sqlite", lambda path: Ledger(path, 1000)),
        (PUBLISHER, "outbox.sqlite", Outbox),
        (PUBLISHER, "commands.sqlite", AuditTrail),
    ],
)
def test_every_table_and_column_of_then_is_one_of_today(
    folder: Path, tmp_path: Path, component: str, name: str, create: Callable[[Path], Any]
) -> None:
    create(tmp_path / name).close()
    assert list_columns(work_folder(folder, component) / name) <= list_columns(tmp_path / name)


def test_nothing_of_the_folder_is_set_aside_as_damaged(station: StationOfToday) -> None:
    station.drain(JUDGED)
    aside = [path.name for path in station.folder.rglob("*") if "damaged" in path.name]
    assert aside == []
    assert station.faults_of(PUBLISHER) == set()
    without_models = {"model-surface", "model-cap"}  # the archive has no model store
    assert station.faults_of(INFERENCE) <= without_models


def test_the_publisher_goes_on_from_its_record_of_then(station: StationOfToday) -> None:
    station.drain(JUDGED)
    (publisher, inference) = station._parts
    station.run_until(  # a record is counted as sent when its receipt came
        "the receipts",
        lambda: publisher.health.build_report().counters.get("records_sent", 0) >= JUDGED - STORED,
    )
    counters = publisher.health.build_report().counters
    assert counters["records_committed"] == JUDGED - SETTLED
    assert counters.get("parts_out_of_order", 0) == 0
    assert counters.get("ledgers_begun", 0) == 0
    assert inference.health.build_report().counters.get("parts_known_already", 0) == 0


def test_commands_are_taken_carried_out_and_answered(station: StationOfToday) -> None:
    station.drain(JUDGED)
    commands: list[tuple[CommandKind, dict[str, CommandArgument]]] = [
        ("acknowledge_hold", {"hold": "none"}),
        ("pause", {}),
    ]
    for number, (kind, arguments) in enumerate(commands):
        command = Command(
            station_id=STATION,
            command_id=f"c-{number}",
            kind=kind,
            issued_by="operator",
            issued_utc_ns=time.time_ns(),
            expires_utc_ns=time.time_ns() + 60_000_000_000,
            arguments=arguments,
        )
        station.cloud.publish(COMMAND, encode(command))
    station.run_until(
        "the answers", lambda: {"refused", "done"} <= set(station.command_results().values())
    )
    assert station.command_results() == {"c-0": "refused", "c-1": "done"}
    assert station.faults_of(PUBLISHER) == set()


def test_the_next_part_is_numbered_judged_and_recorded_behind_the_last(
    station: StationOfToday,
) -> None:
    numbering = NumberingFile(work_folder(station.folder, CAPTURE) / "numbering.record")
    before = numbering.load()
    assert before is not None
    assert before.last == Part(EPOCH, JUDGED)
    assert (before.first_number, before.counted_by) == (1, "plc")
    step = next_by_counter(before, JUDGED + 1, round(time.time()))
    assert step is not None
    assert step.state.last == Part(EPOCH, JUDGED + 1)
    assert step.fault is None
    captured = PartCaptured(
        station_id=STATION,
        part=step.state.last,
        triggered_utc_ns=time.time_ns(),
        triggered_monotonic_ns=time.monotonic_ns(),
        captured_monotonic_ns=time.monotonic_ns(),
        deadline_monotonic_ns=time.monotonic_ns(),
        boot_id="another",
        frames=(),
        missing_cameras=(),
        first_number=before.first_number,
    )
    station.drain(JUDGED)
    station.cloud.publish(PART_CAPTURED, encode(captured))
    station.drain(JUDGED + 1)
    last = station.cloud.records()[-1]
    assert (last.epoch, last.partNumber, last.verdict) == (EPOCH, JUDGED + 1, "missed")
    assert [record.partNumber for record in station.cloud.records()] == [*range(1, JUDGED + 2)]
