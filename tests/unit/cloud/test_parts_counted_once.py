"""Each part counts once: as its record, or as missed in a gap; what the gate did is what is known last."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.live.site_summary import SiteSummary
from cloud.live.station_figures import Json
from cloud.store.record_identity import MAX_GAP_WIDTH
from cloud.store.record_store import PartsQuery
from cloud.store.sqlite_store import SqliteStore
from cloud.store.stored_messages import CommitResult
from cloud.wire.batches import ArrivedMessage, build_batch
from cloud.wire.receipts import list_stored_ids
from sightline.messaging.codec import encode
from sightline.messaging.messages import GapRecord, GateCorrection, InspectionRecord
from sightline.messaging.topics import GAP_RECORD, GATE_CORRECTION, INSPECTION_RECORD, MessageStream
from tests.cloud.example_records import THING, correction, defect, gap, record

TOPICS: dict[type, MessageStream] = {
    InspectionRecord: INSPECTION_RECORD,
    GateCorrection: GATE_CORRECTION,
    GapRecord: GAP_RECORD,
}


class Site:
    """A store and its figures."""

    def __init__(self, path: Path, keep_ns: int | None = None) -> None:
        self.path, self.keep_ns = path, keep_ns
        self.now_ns = 1
        self.open()

    def open(self) -> None:
        self.store, self.summary = SqliteStore(self.path, self.keep_ns), SiteSummary()
        self.summary.restore(self.store.load_history())

    def restart(self) -> None:
        self.store.close()
        self.open()

    def take(self, *messages: Any, thing: str = THING) -> CommitResult:
        arrivals = [
            ArrivedMessage(TOPICS[type(each)].build_topic(thing), encode(each), self.now_ns)
            for each in messages
        ]
        batch = build_batch(arrivals)
        committed = self.store.commit(batch)
        self.summary.add(batch, committed)
        self.told = [one for _, one in list_stored_ids(batch)]
        self.letters = [(letter.record_id, letter.reason) for letter in batch.dead_letters]
        return committed

    def figures(self) -> Json:
        """The figures, which are the same after a restart."""
        found = [self._counted()]
        self.restart()
        found.append(self._counted())
        assert found[0] == found[1]
        return found[0]

    def _counted(self) -> Json:
        snapshot = self.summary.snapshot(0, THING)
        names = ("parts", "production", "apart", "gate", "records")
        return {name: snapshot[name] for name in names}

    def rows(self, **query: Any) -> list[Json]:
        page = self.store.load_parts(PartsQuery(limit=100, **query))
        return [msgspec.json.decode(body) for body in page.bodies]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path / "records.sqlite")
    yield site
    site.store.close()


def test_a_station_cannot_take_the_numbers_of_another(site: Site) -> None:
    squatter = record(1)
    site.take(squatter, thing="station-2")
    assert site.rows() == []
    ((record_id, reason),) = site.letters
    assert record_id == "station-1-7-1"
    assert "stationId is 'station-1'" in reason
    site.take(record(1, "station-2", recordId="station-1-7-1"), thing="station-2")
    assert "recordId is 'station-1-7-1'" in site.letters[0][1]
    site.take(defect(1))
    assert site.told == ["station-1-7-1"]
    assert [row["verdict"] for row in site.rows()] == ["defect"]


def test_a_repeat_with_other_content_is_told_as_a_conflict_and_the_first_stays(site: Site) -> None:
    site.take(record(1))
    site.take(record(1))
    site.take(record(1, gate="rejected", reason="another"))
    assert site.told == ["station-1-7-1"]  # it is stored, so the station may forget it
    assert [row["gate"] for row in site.rows()] == ["passed"]
    (conflict,) = site.store.load_refusals(9)
    assert conflict.kind == "conflict"
    assert "different values of gate, reason; the first version is kept" in conflict.reason
    found = site.figures()["records"]
    assert (found["received"], found["duplicates"], found["refused"]) == (1, 2, 0)
    assert found["conflicts"] == 1


def test_a_late_outcome_of_the_gate_is_counted_in_place_of_the_one_recorded(site: Site) -> None:
    site.take(record(1, gate="unconfirmed"), record(2))
    for _ in range(2):
        site.take(correction(1, "rejected", 77))
        assert site.told == ["station-1-7-1/gate"]
    assert site.figures()["gate"] == {"passed": 1, "rejected": 1, "unconfirmed": 0}
    (row,) = site.rows(part_number=1)
    assert row["gate"] == "rejected"
    assert row["gateCorrection"] == {"recorded": "unconfirmed", "acted_at_utc_ns": 77}
    assert msgspec.json.decode(site.store.load_part("station-1-7-1") or "") == row
    site.take(correction(1, "passed", 78))
    assert site.figures()["gate"] == {"passed": 2, "rejected": 0, "unconfirmed": 0}


def test_a_correction_that_comes_before_its_record_waits_for_it(site: Site) -> None:
    site.take(correction(1, "rejected", 77))
    assert site.figures()["gate"] == {"passed": 0, "rejected": 0, "unconfirmed": 0}
    site.take(record(1, gate="unconfirmed"))
    assert site.figures()["gate"] == {"passed": 0, "rejected": 1, "unconfirmed": 0}
    assert site.rows()[0]["gateCorrection"]["recorded"] == "unconfirmed"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"stationId": "station-2"}, "stationId"),
        ({"recordId": "station-2-7-1", "correctionId": "station-2-7-1/gate"}, "recordId"),
        ({"correctionId": "station-1-7-1/other"}, "correctionId"),
        ({"recordId": "station-1-x-1"}, "recordId"),
        ({"acted_at_utc_ns": -1}, "acted_at_utc_ns"),
    ],
)
def test_a_correction_that_is_none_of_this_station_is_refused(
    site: Site, change: dict[str, Any], reason: str
) -> None:
    site.take(record(1, gate="unconfirmed"))
    site.take(msgspec.structs.replace(correction(1), **change))
    assert reason in site.letters[0][1]
    assert site.figures()["gate"]["unconfirmed"] == 1


def test_parts_that_nobody_saw_are_one_row_and_count_as_missed_each(site: Site) -> None:
    site.take(record(1207))
    for _ in range(2):
        site.take(gap(1208, 20000))
        assert site.told == ["station-1-7-1208-20000"]
    site.take(record(20001))
    found = site.figures()
    assert found["parts"]["missed"] == found["production"]["missed"] == 18793
    assert found["gate"]["unconfirmed"] == 18793
    assert (found["records"]["received"], found["records"]["unseen"]) == (2, 18793)
    assert [row.get("gapId", row.get("recordId")) for row in site.rows()] == [
        *("station-1-7-20001", "station-1-7-1208-20000", "station-1-7-1207"),
    ]
    for query in ({"part_number": 1500}, {"verdict": "missed"}):
        assert [(row["from"], row["to"]) for row in site.rows(**query)] == [(1208, 20000)]
    assert site.rows(part_number=20002) == []
    assert site.store.load_part("station-1-7-1208-20000") is not None


def test_parts_unseen_in_maintenance_are_no_production(site: Site) -> None:
    site.take(gap(1, 5, mode="maintenance"))
    found = site.figures()
    assert (found["production"]["missed"], found["apart"]["maintenance"]) == (0, 5)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (gap(9, 8), "covers 9 to 8"),
        (gap(1, 1 + MAX_GAP_WIDTH), "parts are allowed"),
        (gap(-1, 8), "from is -1"),
        (gap(1, 2**63 - 1), "to is"),
        (gap(1, 8, stationId="station-2"), "stationId"),
        (gap(1, 8, gapId="station-2-7-1-8"), "gapId"),
        (gap(1, 8, gapId="station-1-7-5"), "gapId"),  # a record's
    ],
)
def test_a_gap_that_is_none_is_refused(site: Site, wrong: GapRecord, reason: str) -> None:
    site.take(wrong)
    assert reason in site.letters[0][1]
    assert site.figures()["parts"]["missed"] == 0


@pytest.mark.parametrize("damaged", ["{garbage", "[1]", '{"mode": 7}'])
def test_a_gap_that_the_disk_damaged_keeps_none_of_its_records_out(
    site: Site, damaged: str
) -> None:
    site.take(gap(1, 9))
    site.store._writer.execute("UPDATE records SET body = ?", (damaged,))
    assert len(site.take(record(3)).new) == 1
    assert site.letters == []
    assert sum(site.figures()["parts"].values()) == 9


@pytest.mark.parametrize("damaged", ["[1]", '{"gat!": "unconfirmed"}'])
def test_a_record_that_the_disk_damaged_is_shown_with_its_corrected_gate(
    site: Site, damaged: str
) -> None:
    site.take(record(3, gate="unconfirmed"), correction(3, "passed"))
    site.store._writer.execute("UPDATE records SET body = ?", (damaged,))
    (row,) = site.rows()
    assert row["gate"] == "passed"
    site.take(record(3, gate="unconfirmed"))  # comes once more


PIECES = st.one_of(
    st.integers(1, 12).map(lambda number: record(number, gate="unconfirmed")),
    st.tuples(st.integers(1, 12), st.integers(0, 5)).map(lambda g: gap(g[0], g[0] + g[1])),
    st.integers(1, 12).map(lambda number: correction(number, "passed")),
    st.integers(1, 12).map(lambda number: correction(number, "rejected")),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.lists(PIECES, max_size=4), max_size=6), st.one_of(st.none(), st.just(2)))
def test_in_whatever_order_and_however_often_they_come_each_number_counts_once(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[Any]], keep_ns: int | None
) -> None:
    site = Site(tmp_path_factory.mktemp("site") / "records.sqlite", keep_ns)
    for messages in batches:
        site.now_ns += 1
        site.take(*messages)
    told = [message for messages in batches for message in messages]
    recorded = {each.partNumber for each in told if isinstance(each, InspectionRecord)}
    unseen = {
        n for each in told if isinstance(each, GapRecord) for n in range(each.from_, each.to + 1)
    }
    gates = {each.recordId: each.gate for each in told if isinstance(each, GateCorrection)}
    found = site.figures()
    if keep_ns is None:  # what left the database by its time counts as what it was
        assert (found["parts"]["ok"], found["parts"]["missed"]) == (
            *(len(recorded), len(unseen - recorded)),
        )
        known = Counter(gates.get(f"{THING}-7-{number}", "unconfirmed") for number in recorded)
        known["unconfirmed"] += len(unseen - recorded)
        assert {name: count for name, count in found["gate"].items() if count} == +known
    assert found["parts"]["ok"] + found["parts"]["missed"] == len(recorded | unseen)
    site.store.close()


def test_records_that_left_by_their_time_are_not_counted_again(tmp_path: Path) -> None:
    site = Site(tmp_path / "records.sqlite", keep_ns=10)
    for number in range(1, 9):
        site.now_ns = 5 * number
        site.take(defect(number))
    assert [row["partNumber"] for row in site.rows()] == [8, 7, 6]
    assert site.take(defect(2), defect(9)).duplicates == 1
    assert site.told[0] == "station-1-7-2"
    assert site.figures()["parts"]["defect"] == 9
    site.store.close()
