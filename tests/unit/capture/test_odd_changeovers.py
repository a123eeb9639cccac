"""Changeovers that cannot be all that was asked: said in words, and the line goes on."""

from pathlib import Path

from sightline.storage.product_store import PRODUCT_FILE
from tests.unit.capture.changeover_kit import command, deploy, stamps
from tests.unit.capture.conftest import StartStation


def test_a_command_of_very_many_words_is_answered_all_the_same(begin_line: StartStation) -> None:
    station = begin_line()
    answer = command(station, "c-1", "change_product", product="can", **{"x" * 6300: 1})
    assert answer.result == "refused"
    assert "unknown field `xxx" in answer.reason
    station.trigger(1)
    assert stamps(station) == [("bottle", "1", "")]


def test_limits_of_a_product_that_contradict_the_stations_are_a_fault_and_the_stations_hold(
    begin_line: StartStation, tmp_path: Path
) -> None:
    station = begin_line()
    deploy(tmp_path, "dark", conditions={"maxBrightness": 6}, deadlineMs=400)
    command(station, "c-1", "change_product", product="dark")
    station.trigger(1)
    (part,) = station.captured
    assert part.product == "dark"
    assert part.deadline_monotonic_ns - part.triggered_monotonic_ns == 400_000_000
    assert "brightness" not in part.conditions[0].out_of_range
    started_again = begin_line()
    assert "The station's own limits hold" in started_again.faults["product-limits"]
    started_again.trigger(2)
    assert stamps(started_again) == [("dark", "1", "")]
    command(started_again, "c-2", "change_product", product="bottle")
    assert "product-limits" not in started_again.faults


def test_a_product_that_a_command_found_damaged_is_a_fault_until_it_is_whole(
    begin_line: StartStation, tmp_path: Path
) -> None:
    station = begin_line()
    deploy(tmp_path, "tin")
    names = tmp_path / "station" / "products" / "names"
    file = names.parent / (names / "tin").read_text() / PRODUCT_FILE
    file.write_bytes(b"")
    assert "damaged" in command(station, "c-1", "change_product", product="tin").reason
    station.advance(1.0)
    assert "damaged" in station.faults["product-refused"]
    deploy(tmp_path, "tin")
    assert command(station, "c-2", "change_product", product="tin").result == "done"
    station.advance(1.0)
    assert "product-refused" not in station.faults


def test_a_product_deployed_before_a_change_that_the_disk_refuses_is_in_force_within_a_second(
    begin_line: StartStation, tmp_path: Path
) -> None:
    station = begin_line()
    station.trigger(1)
    deploy(tmp_path, "bottle", version="2")
    (station.folder / "chosen.new").mkdir()
    assert command(station, "c-1", "change_product", product="can").result == "refused"
    station.advance(1.1)
    assert (station.announced[-1].product, station.announced[-1].product_version) == ("bottle", "2")
    assert station.health.build_report().facts["product_version"] == "2"


def test_a_product_that_is_deployed_is_announced_in_the_second_in_which_it_is_found(
    begin_line: StartStation, tmp_path: Path
) -> None:
    station = begin_line()
    station.trigger(1)
    deploy(tmp_path, "bottle", version="2")
    count = len(station.announced)
    while len(station.announced) == count:
        station.advance(0.1)
    assert station.announced[-1].product_version == "2"
