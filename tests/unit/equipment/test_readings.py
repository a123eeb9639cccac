"""Readings become batches that are messages; node ids, times and outcomes are read as they are meant."""

import datetime
from typing import Any

import pytest
from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st

from equipment.configuration import EquipmentConfiguration, TagConfiguration
from equipment.links.link import GateRecord, TagsRead
from equipment.links.opcua_values import build_opcua_sample, parse_node_id, to_utc_ns
from equipment.links.register_codes import build_gate_records, cause_name, parse_whole_number
from equipment.sample_batcher import SampleBatcher, split_into_batches
from sightline.errors import MachineLinkError
from sightline.kernel.interval_timer import IntervalTimer
from sightline.messaging.codec import encode
from sightline.messaging.messages import MachineSamples, TagSample
from tests.unit.equipment.equipment_kit import NOW, STATION, S

TAG = TagConfiguration(tag="vibration", node_id="ns=1;s=V", unit="mm/s")


def reading(value: object, status: int = 0, kind: Any = None) -> TagSample:
    return build_opcua_sample(
        TAG, ua.DataValue(ua.Variant(value, kind), ua.StatusCode(status)), NOW
    )


@pytest.mark.parametrize(
    ("value", "expected"), [(1.5, 1.5), (3, 3.0), (True, True), ("idle", "idle"), (-0.0, 0.0)]
)
def test_numbers_switches_and_texts_are_good(value: object, expected: object) -> None:
    found = reading(value)
    assert (found.value, found.quality, found.unit) == (expected, "good", "mm/s")
    assert found.source_utc_ns == NOW


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, b"bytes", [1.0, 2.0]])
def test_what_is_no_reading_is_bad_and_has_no_value(value: object) -> None:
    assert (reading(value).value, reading(value).quality) == (None, "bad")


def test_an_unknown_node_is_missing_and_any_other_bad_status_is_bad() -> None:
    codes = ua.StatusCodes
    assert reading(1.0, codes.BadNodeIdUnknown).quality == "missing"
    assert reading(1.0, codes.BadCommunicationError).quality == "bad"
    assert reading(1.0, codes.UncertainLastUsableValue).quality == "bad"


@given(moment=st.datetimes(timezones=st.sampled_from([None, datetime.timezone.utc])))
def test_any_time_that_a_server_gives_is_one_that_a_message_can_carry(
    moment: datetime.datetime,
) -> None:
    utc_ns = to_utc_ns(moment)
    assert 0 <= utc_ns < 2**63
    aware = moment.replace(tzinfo=datetime.timezone.utc)
    if 1970 < aware.year < 2262:
        assert abs(utc_ns / 1e9 - aware.timestamp()) < 1e-3


def test_a_namespace_may_be_named_by_its_address() -> None:
    namespaces = ["http://opcfoundation.org/UA/", "urn:server", "urn:plc"]
    assert parse_node_id("nsu=urn:plc;s=Line.PartCounter", namespaces) == ua.NodeId(
        "Line.PartCounter", 2
    )
    assert parse_node_id("ns=3;i=42", namespaces) == ua.NodeId(42, 3)
    with pytest.raises(MachineLinkError, match=r"no namespace 'urn:other'; it has http.*urn:plc"):
        parse_node_id("nsu=urn:other;s=X", namespaces)


def test_outcome_columns_are_read_as_rows_and_refused_if_they_do_not_fit() -> None:
    assert build_gate_records([7, 8], [1, 2], [NOW, NOW], [0, 77]) == (
        GateRecord(7, "passed", NOW, "ok"),
        GateRecord(8, "rejected", NOW, "cause 77"),
    )
    with pytest.raises(MachineLinkError, match="2 numbers, 1 actions, 2 times, 2 causes"):
        build_gate_records([7, 8], [1], [NOW, NOW], [0, 0])
    with pytest.raises(MachineLinkError, match=r"gate action 3; known are \{1: 'passed'"):
        build_gate_records([7], [3], [NOW], [0])


def test_places_not_filled_yet_in_arrays_of_fixed_length_are_no_outcomes() -> None:
    found = build_gate_records([7, 0, 0], [1, 0, 0], [NOW, 0, 0], [0, 0, 0])
    assert found == (GateRecord(7, "passed", NOW, "ok"),)


def test_every_cause_has_its_word() -> None:
    words = ["ok", "no_verdict", "late_verdict", "wrong_part", "heartbeat", "not_ok"]
    assert [cause_name(code) for code in range(6)] == words
    assert cause_name(-1) == "cause -1"


@pytest.mark.parametrize("value", [None, "7", 7.5, float("nan"), -(2**31) - 1, True])
def test_a_register_that_is_no_whole_number_is_refused_with_its_place(value: object) -> None:
    assert parse_whole_number("x", 7) == parse_whole_number("x", 7.0) == 7
    with pytest.raises(MachineLinkError, match=r"verdict_strobe holds .*whole number from 0"):
        parse_whole_number("verdict_strobe", value)


def poller_of(*names: str) -> SampleBatcher:
    tags = tuple(TagConfiguration(tag=name, node_id="ns=1;s=X") for name in names)
    return SampleBatcher(STATION, EquipmentConfiguration(tags=tags))


def read_of(*names: str) -> TagsRead:
    samples = tuple(
        TagSample(tag=name, value=1.0, unit="", quality="good", source_utc_ns=NOW) for name in names
    )
    return TagsRead(samples, 1, NOW)


def test_an_answer_is_the_batch_of_its_interval_and_comes_once() -> None:
    poller = poller_of("a")
    assert poller.begin_interval(True, NOW) == ()
    (batch,) = poller.batch_reading(read_of("a"), NOW)
    assert [(s.tag, s.quality) for s in batch.samples] == [("a", "good")]
    assert poller.batch_reading(read_of("a"), NOW) == ()


def test_an_interval_without_an_answer_is_told_as_stale_in_each_tag() -> None:
    poller = poller_of("a", "b")
    poller.begin_interval(True, NOW)
    (batch,) = poller.begin_interval(True, NOW + S)
    assert [(s.tag, s.value, s.quality) for s in batch.samples] == [
        ("a", None, "stale"),
        ("b", None, "stale"),
    ]
    assert poller.last_read is None


@given(
    events=st.lists(st.sampled_from(["interval", "away", "answer"]), max_size=40),
    tags=st.integers(0, 3),
)
def test_each_interval_has_exactly_one_batch_and_the_numbers_have_no_gap(
    events: list[str], tags: int
) -> None:
    names = tuple("abc"[:tags])
    poller = poller_of(*names)
    batches: list[MachineSamples] = []
    for event in events:
        if event == "answer":
            batches += poller.batch_reading(read_of(*names), NOW)
        else:
            batches += poller.begin_interval(event == "interval", NOW)
    begun = sum(event != "answer" for event in events)
    assert begun - 1 <= len(batches) <= begun
    assert [batch.sequence for batch in batches] == list(range(1, len(batches) + 1))


def message_of(samples: tuple[TagSample, ...]) -> MachineSamples:
    return MachineSamples(
        station_id="s" * 128,
        equipment_id="e" * 64,
        line_id="l" * 64,
        sequence=2**53,
        sampled_utc_ns=2**63 - 1,
        samples=samples,
    )


@pytest.mark.parametrize("length", range(1, 65, 7))
def test_a_batch_is_filled_up_to_what_a_message_carries(length: int) -> None:
    one = TagSample(
        tag="t" * 64, value="v" * length, unit="u" * 16, quality="good", source_utc_ns=2**63 - 1
    )
    batches = list(split_into_batches([one] * 200))
    assert sum(len(batch) for batch in batches) == 200
    sizes = [len(encode(message_of(batch))) for batch in batches]  # raises if one is too large
    assert min(sizes[:-1]) > 5_000


@given(
    st.lists(
        st.builds(
            TagSample,
            tag=st.text(min_size=1, max_size=64),
            value=st.one_of(st.none(), st.floats(allow_nan=False), st.text(max_size=64)),
            unit=st.text(max_size=16),
            quality=st.sampled_from(["good", "bad", "missing", "stale"]),
            source_utc_ns=st.integers(0, 2**63 - 1),
        ),
        max_size=100,
    )
)
def test_any_readings_fit_their_batches_and_none_is_lost(samples: list[TagSample]) -> None:
    batches = list(split_into_batches(samples))
    assert [sample for batch in batches for sample in batch] == samples
    for batch in batches:
        encode(message_of(batch))  # raises if it is larger than a packet of the nucleus


def test_what_is_due_each_interval_is_not_made_up_for_after_a_long_sleep() -> None:
    every = IntervalTimer(0.5, NOW)
    assert every.advance_if_due(NOW)
    assert not every.advance_if_due(NOW + S // 2 - 1)
    assert every.advance_if_due(NOW + 10 * S + 1)
    assert every.next_ns == NOW + 10 * S + S // 2
