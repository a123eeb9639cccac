"""A changeover in capture: between two parts, on disk before any part is of the new product."""

from pathlib import Path

import pytest

from sightline.messaging.messages import CommandArgument, CommandKind
from tests.unit.capture.changeover_kit import LATE, command, deploy, stamps
from tests.unit.capture.conftest import StartStation


def test_a_changeover_takes_effect_with_the_next_part_and_says_with_which(
    begin_line: StartStation,
) -> None:
    station = begin_line()
    station.trigger(1, 2)
    answer = command(station, "c-1", "change_product", product="can", lot="L-1")
    station.trigger(3)
    assert stamps(station) == [("bottle", "1", ""), ("bottle", "1", ""), ("can", "4", "L-1")]
    assert answer.result == "done"
    assert answer.from_part == station.captured[2].part
    facts = station.health.build_report().facts
    assert (facts["product"], facts["product_version"], facts["lot"]) == ("can", "4", "L-1")
    assert facts["products"] == "bottle 1, can 4"


def test_a_changeover_outlasts_a_kill_and_a_repeat_of_it_changes_nothing(
    begin_line: StartStation,
) -> None:
    station = begin_line()
    station.trigger(1)
    first = command(station, "c-1", "change_product", product="can")
    command(station, "c-2", "change_product", product="bottle")
    after_kill = begin_line()
    assert command(after_kill, "c-1", "change_product", product="can") == first
    after_kill.trigger(2)
    assert stamps(after_kill) == [("bottle", "1", "")]
    command(after_kill, "c-3", "change_product", product="can")
    again = begin_line()
    again.trigger(3)
    assert stamps(again) == [("can", "4", "")]


def test_a_lot_begins_and_ends_between_two_parts(begin_line: StartStation) -> None:
    station = begin_line()
    station.trigger(1)
    assert command(station, "c-1", "lot_start", lot="L-1").reason == "Lot L-1 started"
    station.trigger(2)
    assert (
        command(station, "c-2", "lot_start", lot="L-2").reason == "Lot L-1 ended; Lot L-2 started"
    )
    station.trigger(3)
    assert command(station, "c-3", "lot_end").reason == "Lot L-2 ended; No lot"
    station.trigger(4)
    assert [lot for _, _, lot in stamps(station)] == ["", "L-1", "L-2", ""]


@pytest.mark.parametrize(
    ("kind", "arguments", "words"),
    [
        (
            "change_product",
            {"product": "tin"},
            "Product tin is not on this station; it has bottle, can",
        ),
        ("change_product", {}, "missing required field `product`"),
        ("change_product", {"product": "can", "colour": "red"}, "colour"),
        ("lot_start", {"lot": ""}, "at /lot"),
        ("lot_end", {"lot": "L-1"}, "unknown field `lot`"),
        ("challenge_part", {"label": "hole"}, "Product bottle has no defect hole; its defects are"),
        (
            "challenge_part",
            {"label": "dent", "partNumber": 2},
            "Part 2 has passed already; the next is part 3",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_words_and_the_line_goes_on_as_before(
    begin_line: StartStation, kind: CommandKind, arguments: dict[str, CommandArgument], words: str
) -> None:
    station = begin_line()
    station.trigger(1, 2)
    answer = command(station, "c-1", kind, **arguments)
    assert answer.result == "refused"
    assert words in answer.reason
    station.trigger(3)
    assert stamps(station)[2] == ("bottle", "1", "")


def test_a_command_that_comes_after_its_end_is_refused(begin_line: StartStation) -> None:
    station = begin_line()
    answer = command(station, LATE, "change_product", product="can")
    assert (answer.result, answer.reason) == (
        "refused",
        "Command expired 1.5 s ago",
    )


def test_what_the_disk_does_not_keep_is_not_in_force(begin_line: StartStation) -> None:
    station = begin_line()
    station.trigger(1)
    chosen = station.folder / "chosen.new"
    chosen.mkdir()
    answer = command(station, "c-1", "change_product", product="can")
    assert answer.result == "refused"
    assert "cannot be stored" in answer.reason
    station.trigger(2)
    chosen.rmdir()
    assert command(station, "c-1", "change_product", product="can").result == "done"
    station.trigger(3)
    assert [product for product, _, _ in stamps(station)] == ["bottle", "bottle", "can"]


def test_a_product_that_the_station_does_not_know_is_named_all_the_same_and_is_a_fault(
    begin_line: StartStation, tmp_path: Path
) -> None:
    station = begin_line(product="tin")
    station.trigger(1)
    assert stamps(station) == [("tin", "", "")]
    assert "no part of it is ok" in station.faults["product-unknown"]
    deploy(tmp_path, "tin", version="2")
    station.advance(1.0)
    station.trigger(2)
    assert stamps(station)[1] == ("tin", "2", "")
    assert "product-unknown" not in station.faults


def test_a_new_version_of_a_product_takes_effect_between_two_parts(
    begin_line: StartStation, tmp_path: Path
) -> None:
    station = begin_line()
    station.trigger(1)
    deploy(tmp_path, "bottle", version="2", deadlineMs=400)
    station.advance(1.0)
    station.trigger(2)
    assert [version for _, version, _ in stamps(station)] == ["1", "2"]
    allowed_ms = [
        (part.deadline_monotonic_ns - part.triggered_monotonic_ns) / 1e6
        for part in station.captured
    ]
    assert allowed_ms == [1500.0, 400.0]


def test_a_deployment_that_names_another_product_goes_before_the_last_command(
    begin_line: StartStation,
) -> None:
    station = begin_line()
    command(station, "c-1", "change_product", product="can")
    station.configure(deadlineMs=1000.0)
    station.trigger(1)
    station.configure(product="can", lot="L-9")
    command(station, "c-2", "change_product", product="bottle")
    station.trigger(2)
    station.configure(product="bottle", lot="L-10")
    station.trigger(3)
    assert stamps(station) == [("can", "4", ""), ("bottle", "1", "L-9"), ("bottle", "1", "L-10")]


def test_the_plc_names_product_and_lot_of_each_part_and_no_command_goes_against_it(
    begin_line: StartStation,
) -> None:
    station = begin_line()
    station.trigger(1)
    station.trigger(2, product="can", lot="L-1")
    station.trigger(3, product="bottle", lot="L-1")
    refused = command(station, "c-1", "change_product", product="can")
    assert refused.reason == "The PLC sets the product; it cannot be changed by command"
    assert (
        command(station, "c-2", "lot_end").reason
        == "The PLC sets the lot; it cannot be changed by command"
    )
    station.trigger(4, product="tin")
    assert stamps(station) == [
        ("bottle", "1", ""),
        ("can", "4", "L-1"),
        ("bottle", "1", "L-1"),
        ("tin", "", ""),
    ]
    assert "product-unknown" in station.faults


def test_the_next_part_is_the_challenge_and_no_other_one_also_after_a_kill(
    begin_line: StartStation,
) -> None:
    station = begin_line()
    station.trigger(1)
    planned = command(station, "c-1", "challenge_part", label="dent")
    assert planned.reason == "Part 2 is a challenge part with dent"
    after_kill = begin_line()
    assert after_kill.health.build_report().facts["challenge"] == "part 2: dent"
    after_kill.trigger(2, 3)
    assert [part.challenge for part in after_kill.captured] == ["dent", ""]
    again = begin_line()
    again.trigger(4)
    assert [part.challenge for part in again.captured] == [""]
    assert "challenge" not in again.health.build_report().facts


def test_a_challenge_may_be_a_later_part_and_one_that_was_never_seen_is_counted(
    begin_line: StartStation,
) -> None:
    station = begin_line()
    station.trigger(1)
    command(station, "c-1", "challenge_part", label="dent", partNumber=4)
    station.trigger(2, 3, 4, 5)
    assert [part.challenge for part in station.captured] == ["", "", "", "dent", ""]
    command(station, "c-2", "challenge_part", label="dent", partNumber=7)
    station.trigger(6, 8)  # the trigger of the seventh was lost
    assert [part.challenge for part in station.captured[5:]] == ["", ""]
    assert station.counter("challenges_not_seen") == 1


def test_where_no_part_was_seen_yet_the_first_one_is_the_challenge(
    begin_line: StartStation,
) -> None:
    station = begin_line()
    command(station, "c-1", "challenge_part", label="dent")
    station.trigger(100, 101)
    assert [part.challenge for part in station.captured] == ["dent", ""]
    after_kill = begin_line()
    after_kill.trigger(102)
    assert [part.challenge for part in after_kill.captured] == [""]


def test_a_choice_that_cannot_be_read_is_a_fault_and_the_configuration_holds(
    begin_line: StartStation, tmp_path: Path
) -> None:
    (tmp_path / "chosen.json").write_text("{")
    station = begin_line()
    station.trigger(1)
    assert stamps(station) == [("bottle", "1", "")]
    assert "choice-not-readable" in station.faults
