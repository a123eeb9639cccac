"""A changeover in capture: between two parts, on disk before any part is of the new product."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.changeover import Chosen, Planned, begin, fitted, stamp_of
from capture.configuration import CaptureConfiguration, ConditionLimits, ReferenceConfiguration
from capture.sources.v4l2_configuration import V4l2CameraConfiguration, V4l2Configuration
from capture.triggers.trigger import Triggered
from sightline.messages import Argument, CommandAccepted, CommandCarriedOut, CommandKind, Part
from sightline.product_store import PRODUCT_FILE, put_product
from sightline.products import CameraSettings, ConditionChanges, Product
from sightline.topics import COMMAND_ACCEPTED, COMMAND_CARRIED_OUT
from tests.unit.capture.capture_kit import Station, four_pictures
from tests.unit.capture.conftest import StartStation

MINUTE_NS = 60_000_000_000
LATE = "c-late"


def deploy(folder: Path, name: str, version: str = "1", **more: Any) -> None:
    """A product's component puts its recipe into the station's store."""
    files = folder / f"{name}-{version}"
    files.mkdir(exist_ok=True)
    (files / PRODUCT_FILE).write_text(json.dumps({"name": name, "version": version, **more}))
    put_product(files / PRODUCT_FILE, folder / "station" / "products")


def command(
    station: Station, command_id: str, kind: CommandKind, **more: Argument
) -> CommandCarriedOut:
    """What capture answers to a command; one named late has its end behind it."""
    now = station.clock.utc_ns()
    lasts_ns = -1_500_000_000 if command_id == LATE else MINUTE_NS
    accepted = CommandAccepted(
        station_id=station.name,
        command_id=command_id,
        kind=kind,
        issued_by="operator",
        sequence=1,
        accepted_utc_ns=now,
        expires_utc_ns=now + lasts_ns,
        arguments=more,
    )
    station.deliver(COMMAND_ACCEPTED, accepted)
    answer = station.exchange.messages_on(COMMAND_CARRIED_OUT)[-1]
    assert isinstance(answer, CommandCarriedOut)
    return answer


def stamps(station: Station) -> list[tuple[str, str, str]]:
    """Product, version and lot of each part."""
    return [(part.product, part.product_version, part.lot) for part in station.captured]


@pytest.fixture
def begin_line(start_station: StartStation, tmp_path: Path) -> StartStation:
    """Lives of a station with the products bottle and can in its store."""
    four_pictures(tmp_path / "pictures")
    deploy(tmp_path, "bottle")
    deploy(tmp_path, "can", version="4")

    def start(**values: Any) -> Station:
        return start_station(
            **{"stationFolder": str(tmp_path / "station"), "product": "bottle", **values}
        )

    return start


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
    facts = station.health.report().facts
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
    assert command(station, "c-1", "lot_start", lot="L-1").reason == "lot L-1 begins"
    station.trigger(2)
    assert command(station, "c-2", "lot_start", lot="L-2").reason == "lot L-1 ends; lot L-2 begins"
    station.trigger(3)
    assert command(station, "c-3", "lot_end").reason == "lot L-2 ends; no lot"
    station.trigger(4)
    assert [lot for _, _, lot in stamps(station)] == ["", "L-1", "L-2", ""]


@pytest.mark.parametrize(
    ("kind", "arguments", "words"),
    [
        ("change_product", {"product": "tin"}, "knows no product tin; it knows bottle, can"),
        ("change_product", {}, "missing required field `product`"),
        ("change_product", {"product": "can", "colour": "red"}, "colour"),
        ("lot_start", {"lot": ""}, "at /lot"),
        ("lot_end", {"lot": "L-1"}, "unknown field `lot`"),
        ("challenge_part", {"label": "hole"}, "bottle knows no defect hole"),
        ("challenge_part", {"label": "dent", "partNumber": 2}, "part 2 is over; 3 is the next"),
    ],
)
def test_what_cannot_be_is_refused_in_words_and_the_line_goes_on_as_before(
    begin_line: StartStation, kind: CommandKind, arguments: dict[str, Argument], words: str
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
        "it was to be carried out 1.5 s earlier",
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
    station.pass_time(1.0)
    station.trigger(2)
    assert stamps(station)[1] == ("tin", "2", "")
    assert "product-unknown" not in station.faults


def test_a_new_version_of_a_product_takes_effect_between_two_parts(
    begin_line: StartStation, tmp_path: Path
) -> None:
    station = begin_line()
    station.trigger(1)
    deploy(tmp_path, "bottle", version="2", deadlineMs=400)
    station.pass_time(1.0)
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
    assert refused.reason == "the PLC names the product, with each part"
    assert command(station, "c-2", "lot_end").reason == "the PLC names the lot, with each part"
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
    assert planned.reason == "part 2 is to show dent"
    after_kill = begin_line()
    assert after_kill.health.report().facts["challenge"] == "part 2: dent"
    after_kill.trigger(2, 3)
    assert [part.challenge for part in after_kill.captured] == ["dent", ""]
    again = begin_line()
    again.trigger(4)
    assert [part.challenge for part in again.captured] == [""]
    assert "challenge" not in again.health.report().facts


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


def test_a_choice_that_cannot_be_read_is_a_warning_and_the_configuration_holds(
    begin_line: StartStation, tmp_path: Path
) -> None:
    (tmp_path / "chosen.json").write_text("{")
    station = begin_line()
    station.trigger(1)
    assert stamps(station) == [("bottle", "1", "")]
    assert "choice-not-readable" in station.faults


names = st.sampled_from(["", "bottle", "can", "tin"])


@given(names, names, names, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_the_plc_goes_before_commands_and_only_the_planned_part_is_a_challenge(
    plc: str, chosen: str, configured: str, epoch: int, number: int, planned: int
) -> None:
    products = {name: Product(name=name, version="3") for name in ("bottle", "can")}
    configuration = CaptureConfiguration(product=configured)
    kept = Chosen(product=chosen, lot="", configured=(configured, ""))
    kept = Chosen(
        product=begin(configuration, kept).product,
        lot="",
        configured=(configured, ""),
        challenge=Planned(label="dent", epoch=5, number=planned),
    )
    part = Part(epoch, number)
    stamp = stamp_of(kept, Triggered(1, 0, 0, product=plc), products, part)
    assert stamp.product == (plc or chosen)
    assert (stamp.version != "") == (stamp.product in products)
    assert (stamp.challenge != "") == (part == Part(5, planned))


def test_a_product_changes_limits_reference_controls_and_deadline_and_nothing_else() -> None:
    source = V4l2Configuration(
        cameras={
            "cam1": V4l2CameraConfiguration(node="/dev/video0", controls={"gain": 1, "focus": 2}),
            "cam2": V4l2CameraConfiguration(node="/dev/video1"),
        }
    )
    configuration = CaptureConfiguration(
        cameras=("cam1", "cam2"),
        source=source,
        conditions=ConditionLimits(reference=ReferenceConfiguration(folder="/references")),
    )
    product = Product(
        name="can",
        version="1",
        conditions=ConditionChanges(lowest_brightness=40.0),
        reference="can",
        cameras={"cam1": CameraSettings(controls={"gain": 9})},
        deadline_ms=300.0,
    )
    after = fitted(configuration, product)
    assert after.conditions.lowest_brightness == 40.0
    assert after.conditions.highest_brightness == configuration.conditions.highest_brightness
    assert after.conditions.reference is not None
    assert after.conditions.reference.folder == "/references/can"
    assert isinstance(after.source, V4l2Configuration)
    assert after.source.cameras["cam1"].controls == {"gain": 9, "focus": 2}
    assert after.source.cameras["cam2"] == source.cameras["cam2"]
    assert after.deadline_ms == 300.0
    assert fitted(configuration, None) == configuration
    slow = fitted(configuration, Product(name="can", version="2", deadline_ms=60_000.0))
    assert slow == configuration
