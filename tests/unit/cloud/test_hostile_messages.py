"""Whatever a station or a stranger sends, the storing goes on, and the good messages around it are stored."""

import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.live.site_summary import SiteSummary
from cloud.message_intake import MessageIntake
from cloud.store.sqlite_store import SqliteStore
from cloud.store.stored_messages import CommitResult, DeadLetterNotice, MessageBatch
from cloud.wire.batches import ArrivedMessage, build_batch
from cloud.wire.receipts import build_dead_letters
from cloud.wire.topic_routes import list_topic_filters
from sightline.messaging.codec import MAX_MESSAGE_BYTES, encode
from sightline.messaging.topics import (
    CLOUD,
    GAP_RECORD,
    GATE_CORRECTION,
    INSPECTION_RECORD,
    STATION_HEALTH,
    MessageStream,
    streams_read_by,
)
from tests.cloud.example_records import SCRATCH, THING, correction, gap, health, record
from tests.unit.cloud.test_message_intake import wait_until
from tests.unit.shared.message_strategies import build_structs

TO_CLOUD = streams_read_by(CLOUD)
RECORDS = INSPECTION_RECORD.build_topic(THING)
OF_HYPOTHESIS = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ANY_NUMBERS = st.one_of(
    st.integers(-(2**63) - 1, 2**64), st.sampled_from([10**40, -(2**63) + 1, 2**63, -1])
)
ANY_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), ANY_NUMBERS, st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


class Site:
    """The whole intake over a database on disk, and what it told."""

    def __init__(self, folder: Path) -> None:
        self.store = SqliteStore(folder / "records.sqlite")
        self.summary = SiteSummary()
        self.letters: list[DeadLetterNotice] = []
        self.intake = MessageIntake(
            self.store, self.summary, retry_s=0.01, publish_receipts=self._tell
        )
        self._numbers = itertools.count(1)
        self.intake.start()

    def _tell(self, batch: MessageBatch) -> None:
        self.letters += batch.dead_letters

    def survives(self, topic: str, payload: bytes) -> None:
        """A good record before, and one after it, are stored."""
        before, after = next(self._numbers), next(self._numbers)
        self.intake.deliver(RECORDS, encode(record(before)))
        self.intake.deliver(topic, payload)
        self.intake.deliver(RECORDS, encode(record(after)))
        wait_until(lambda: self.store.load_part(record(after).recordId) is not None)
        assert self.store.load_part(record(before).recordId) is not None
        assert self.intake.is_alive()
        assert self.intake.fault == ""

    def close(self) -> None:
        self.intake.close(20)
        self.store.close()


def owned(message: Any) -> Any:
    """The message with ids of this station: it comes further than one that is not its own."""
    known = {
        "InspectionRecord": record(5, epoch=9),
        "GateCorrection": correction(5),
        "GapRecord": gap(5, 8),
    }
    like = known.get(type(message).__name__)
    names = ("recordId", "correctionId", "gapId", "stationId", "epoch", "partNumber", "from_", "to")
    changes = {name: getattr(like, name) for name in names if hasattr(like, name)}
    return msgspec.structs.replace(message, **changes)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


@OF_HYPOTHESIS
@given(st.sampled_from(TO_CLOUD), st.binary(max_size=300))
def test_any_bytes_on_any_topic(site: Site, stream: MessageStream, payload: bytes) -> None:
    site.survives(stream.build_topic(THING), payload)


@OF_HYPOTHESIS
@given(st.data(), st.sampled_from(TO_CLOUD))
def test_any_message_of_any_type(site: Site, data: st.DataObject, stream: MessageStream) -> None:
    message = data.draw(build_structs(stream.message))
    site.survives(stream.build_topic(THING), msgspec.json.encode(owned(message)))


@OF_HYPOTHESIS
@given(st.data(), st.sampled_from(TO_CLOUD), st.integers(1, 4))
def test_any_message_with_any_values_in_any_of_its_fields(
    site: Site, data: st.DataObject, stream: MessageStream, count: int
) -> None:
    content = msgspec.to_builtins(owned(data.draw(build_structs(stream.message))))
    for _ in range(count):
        content[data.draw(st.sampled_from(sorted(content)))] = data.draw(ANY_JSON)
    site.survives(stream.build_topic(THING), msgspec.json.encode(content))


@pytest.mark.parametrize(
    ("stream", "changes"),
    [
        (STATION_HEALTH, {"at_utc_ns": -(2**63) + 1}),
        (STATION_HEALTH, {"at_utc_ns": 2**63}),
        (STATION_HEALTH, {"gauges": {"x": 10**400}}),
        (STATION_HEALTH, {"faults": [{"code": "a", "text": "b", "level": "fault", "since_utc_ns": -5}]}),
        (INSPECTION_RECORD, {"timings": {"model_ms": 1e308, "trigger_to_verdict_ms": -1e308}}),
        (INSPECTION_RECORD, {"cam1": [{**msgspec.to_builtins(SCRATCH), "x": -(2**63)}]}),
        (INSPECTION_RECORD, {"timestamp": "\0" * 500, "lot": "\u202e" * 500}),
        (INSPECTION_RECORD, {"lot": "\\ud800"}),
        (GATE_CORRECTION, {"acted_at_utc_ns": -1}),
        (GAP_RECORD, {"from": 5, "to": 5 + 2**33}),
    ],
)  # fmt: skip
def test_messages_that_ended_the_storing_or_could_have(
    site: Site, stream: MessageStream, changes: dict[str, Any]
) -> None:
    good = {
        "StationHealth": health("com.sightline.Capture", 9, fault="away"),
        "InspectionRecord": record(900),
        "GateCorrection": correction(900),
        "GapRecord": gap(900, 901),
    }[stream.name]
    content = {**msgspec.to_builtins(good), **changes}
    payload = msgspec.json.encode(content).replace(b"\\\\ud800", b"\\ud800")
    site.survives(stream.build_topic(THING), payload)


class Choking(SqliteStore):
    """Fails at a part in a way that nobody thought of."""

    def commit(self, batch: MessageBatch) -> CommitResult:
        if any(stored.record.partNumber == 666 for stored in batch.records):
            raise LookupError("what is this?")
        return super().commit(batch)


def test_what_cannot_be_stored_is_refused_alone_with_topic_and_reason_and_its_station_is_told(
    tmp_path: Path,
) -> None:
    store, letters, gate = (
        Choking(tmp_path / "records.sqlite"),
        list[DeadLetterNotice](),
        threading.Event(),
    )
    intake = MessageIntake(
        store,
        SiteSummary(),
        retry_s=0.01,
        publish_receipts=lambda b: letters.extend(b.dead_letters),
    )
    for number in (1, 666, 2):
        intake.deliver(RECORDS, encode(record(number)))
    intake.start()
    wait_until(lambda: store.load_part(record(2).recordId) is not None)
    assert store.load_part(record(1).recordId) is not None
    (refusal,) = store.load_refusals(10)
    assert refusal.topic == RECORDS
    assert "what is this?" in refusal.reason
    assert [(one.thing, one.record_id) for one in letters] == [(THING, record(666).recordId)]
    assert not gate.is_set()
    intake.close(20)
    store.close()


def letters_of(payload: bytes, topic: str = RECORDS) -> list[tuple[str, str]]:
    return [
        (one.thing, one.record_id)
        for one in build_batch([ArrivedMessage(topic, payload, 5)]).dead_letters
    ]


@pytest.mark.parametrize(
    "damage",
    [
        lambda payload: payload[:-40],
        lambda payload: payload.replace(b'"epoch":7', b'"epoch":-7'),
        lambda payload: payload.replace(b'"lot":"L-1"', b'"lot":"\xff"'),
        lambda payload: payload.replace(b'"schemaVersion":1', b'"schemaVersion":9'),
        lambda payload: payload + b" " * MAX_MESSAGE_BYTES,
    ],
)
def test_a_station_is_told_of_a_record_that_will_never_be_stored_even_if_only_its_id_can_be_read(
    damage: Callable[[bytes], bytes],
) -> None:
    payload = damage(encode(record(5)))
    assert letters_of(payload) == [(THING, "station-1-7-5")]


def test_corrections_and_gaps_that_are_refused_are_told_by_their_own_ids() -> None:
    wrong = correction(5)
    payload = encode(msgspec.structs.replace(wrong, stationId="station-2"))
    topic = GATE_CORRECTION.build_topic(THING)
    assert letters_of(payload, topic) == [(THING, "station-1-7-5/gate")]
    payload = encode(gap(5, 4))
    assert letters_of(payload, GAP_RECORD.build_topic(THING)) == [(THING, "station-1-7-5-4")]


@pytest.mark.parametrize("junk", [b"9" * 400, b"1e400", b'"\\ud800"', b"[" * 900 + b"]" * 900])
def test_what_stands_in_a_field_that_nobody_knows_ends_nothing_either(
    site: Site, junk: bytes
) -> None:
    for _ in range(2):  # and again, so that it is compared
        payload = encode(record(900))[:-1] + b',"more":' + junk + b"}"
        site.survives(RECORDS, payload)
    msgspec.json.decode(site.store.load_part(record(900).recordId) or "{}")


def test_of_a_message_that_is_far_too_large_only_the_beginning_is_kept_and_told(site: Site) -> None:
    site.survives(RECORDS, encode(record(900)) + b" " * 5_000_000)
    (refusal,) = site.store.load_refusals(9)
    assert "found 500" in refusal.reason
    assert len(refusal.payload) <= 1024
    wait_until(lambda: [one.record_id for one in site.letters] == [record(900).recordId])


@pytest.mark.parametrize(
    "payload", [b"", b"{", b'{"recordId":5}', b'{"recordId":""}', b'"recordId"']
)
def test_where_no_id_can_be_read_nobody_is_told(payload: bytes) -> None:
    assert letters_of(payload) == []


def test_a_health_report_that_is_refused_is_no_letter() -> None:
    assert letters_of(b'{"recordId":"station-1-7-5"}', STATION_HEALTH.build_topic(THING)) == []


@given(st.lists(st.tuples(st.sampled_from("ab"), st.text(max_size=600), st.text(max_size=900))))
def test_letters_are_told_once_each_in_messages_that_every_nucleus_takes(
    letters: list[tuple[str, str, str]],
) -> None:
    told = list(build_dead_letters([DeadLetterNotice(*letter) for letter in letters]))
    assert all(len(encode(message)) <= MAX_MESSAGE_BYTES for message in told)
    found = [(message.station_id, one.record_id) for message in told for one in message.refused]
    assert sorted(found) == sorted({(thing, record_id) for thing, record_id, _ in letters})


def test_every_stream_to_the_cloud_is_among_these() -> None:
    assert {stream.build_topic("+") for stream in TO_CLOUD} == set(list_topic_filters())
