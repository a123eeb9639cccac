"""Whatever a server holds, the component stays: quality for readings, a fault in words for registers."""

import time

import pytest
from asyncua import ua

from equipment.configuration import TagConfiguration
from sightline.messaging.messages import TagSample
from tests.faults.plc_and_equipment import RunningEquipment, running_equipment, wait_for
from tests.unit.equipment.odd_plc import OddPlc

S = 1_000_000_000
UINT32, DOUBLE, STRING = ua.VariantType.UInt32, ua.VariantType.Double, ua.VariantType.String


def sample(equipment: RunningEquipment, tag: str) -> TagSample | None:
    """The latest reading of a tag."""
    for batch in reversed(equipment.samples()):
        return next((found for found in batch.samples if found.tag == tag), None)
    return None


def reads(equipment: RunningEquipment, tag: str, value: object, quality: str) -> None:
    """Wait until a tag reads so."""

    def holds() -> bool:
        found = sample(equipment, tag)
        return found is not None and (found.value, found.quality) == (value, quality)

    wait_for(f"{tag} reads {value} ({quality})", holds)


def test_a_source_time_of_1601_or_9999_is_taken_as_none(
    plc: OddPlc, equipment: RunningEquipment
) -> None:
    for year in (1601, 9999):
        plc.put("Machine.Vibration", year / 100, DOUBLE, year=year)
        reads(equipment, "vibration", year / 100, "good")
        found = sample(equipment, "vibration")
        assert found is not None
        assert abs(found.source_utc_ns - time.time_ns()) < 60 * S


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_none_is_bad(
    plc: OddPlc, equipment: RunningEquipment, value: float
) -> None:
    plc.put("Machine.Vibration", value, DOUBLE)
    reads(equipment, "vibration", None, "bad")
    assert not any(b"NaN" in payload for _, payload in equipment.exchange.published)


def test_a_number_that_the_sensor_cannot_give_is_bad(
    plc: OddPlc, equipment: RunningEquipment
) -> None:
    plc.put("Machine.Vibration", -0.5, DOUBLE)
    reads(equipment, "vibration", None, "bad")


def test_a_value_of_bad_status_is_bad_and_one_of_a_good_kind_is_good(
    plc: OddPlc, equipment: RunningEquipment
) -> None:
    plc.put("Machine.Vibration", 1.5, DOUBLE, ua.StatusCodes.BadSensorFailure)
    reads(equipment, "vibration", None, "bad")
    plc.put("Machine.Vibration", 1.5, DOUBLE, ua.StatusCodes.GoodLocalOverride)
    reads(equipment, "vibration", 1.5, "good")


def test_a_long_text_is_cut(plc: OddPlc, equipment: RunningEquipment) -> None:
    plc.put("Machine.Vibration", "x" * 10_000, STRING)
    reads(equipment, "vibration", "x" * 64, "good")


def test_a_belt_speed_that_is_no_number_is_left_out_of_the_trigger(
    plc: OddPlc, equipment: RunningEquipment
) -> None:
    plc.put("Line.BeltSpeed", float("nan"), DOUBLE)
    plc.put("Line.PartCounter", 1, UINT32)
    wait_for("the trigger", lambda: len(equipment.triggered()) == 1)
    assert equipment.triggered()[0].belt_speed_mps is None


@pytest.mark.parametrize("status", ["BadOutOfService", "UncertainLastUsableValue"])
def test_a_counter_whose_status_is_not_good_is_no_part(
    plc: OddPlc, equipment: RunningEquipment, status: str
) -> None:
    plc.put("Line.PartCounter", 5, UINT32)
    plc.put("Line.PartCounter", 0, UINT32, getattr(ua.StatusCodes, status))
    plc.put("Line.PartCounter", 6, UINT32)
    wait_for("the sixth", lambda: [t.counter for t in equipment.triggered()] == [5, 6])
    assert "counter_restarts" not in equipment.health.build_report().counters


@pytest.mark.parametrize(
    ("node", "value", "kind", "words"),
    [
        ("Verdict.Strobe", "x", STRING, ["verdict_strobe", "Verdict.Strobe", "'x'", "whole"]),
        (
            "Outcome.Actions",
            [9],
            ua.VariantType.UInt16,
            ["0 numbers", "1 actions", "all must have as many"],
        ),
    ],
)
def test_a_register_that_holds_nonsense_is_a_fault_that_says_what_where_and_what_is_allowed(
    plc: OddPlc, node: str, value: object, kind: object, words: list[str]
) -> None:
    plc.put(node, value, kind)
    with running_equipment(plc.endpoint, sample_interval_s=0.1) as equipment:
        wait_for(
            f"a fault with {words}",
            lambda: all(
                word in equipment.faults().get("plc-away", "") for word in [plc.endpoint, *words]
            ),
        )


def test_an_unknown_gate_action_is_a_fault_that_lists_the_known_ones(plc: OddPlc) -> None:
    plc.put("Outcome.Numbers", [1], UINT32)
    plc.put("Outcome.Actions", [9], ua.VariantType.UInt16)
    plc.put("Outcome.Times", [1], ua.VariantType.Int64)
    plc.put("Outcome.Causes", [0], ua.VariantType.UInt16)
    with running_equipment(plc.endpoint) as equipment:
        wait_for(
            "the fault",
            lambda: (
                "gate action 9; known are {1: 'passed'" in equipment.faults().get("plc-away", "")
            ),
        )


@pytest.mark.parametrize(
    ("kind", "value"), [("Int16", -(2**15)), ("Int32", -(2**31)), ("Int16", -1)]
)
def test_a_signed_count_of_outcomes_that_went_beyond_its_top_just_goes_on(
    plc: OddPlc, kind: str, value: int
) -> None:
    plc.put("Outcome.Counter", value, getattr(ua.VariantType, kind))
    with running_equipment(plc.endpoint) as equipment:
        wait_for("beats", lambda: len(plc.writes("Station.Heartbeat")) >= 5)
        assert equipment.faults().get("plc-away") is None


def test_a_namespace_that_the_server_lacks_is_a_fault_that_lists_those_it_has(plc: OddPlc) -> None:
    tag = TagConfiguration(tag="oil", node_id="nsu=urn:other:plc;s=Oil")
    with running_equipment(plc.endpoint, tags=(tag,)) as equipment:
        wait_for("the fault", lambda: "urn:other:plc" in equipment.faults().get("plc-away", ""))
        assert "urn:sightline:plc" in equipment.faults()["plc-away"]
