"""A PLC that is away, comes back, forgets or runs fast: the component stays, tells, and goes on."""

import asyncio
import socket
from collections.abc import Iterator
from functools import partial

import pytest

from equipment.links.opcua_configuration import PlcNodes
from sightline.messaging.messages import CounterAnnounced, MachineSamples
from sightline.messaging.topics import COUNTER_ANNOUNCED
from tests.faults.plc_and_equipment import (
    RunningEquipment,
    RunningPlc,
    running_equipment,
    running_plc,
    wait_for,
)


@pytest.fixture(params=["opcua", "modbus"])
def plc(request: pytest.FixtureRequest) -> Iterator[RunningPlc]:
    with running_plc(gate_delay_s=0.4, protocol=request.param) as plc:
        yield plc


only_opcua = pytest.mark.parametrize("plc", ["opcua"], indirect=True)
only_modbus = pytest.mark.parametrize("plc", ["modbus"], indirect=True)


def announced(equipment: RunningEquipment) -> list[int]:
    found = equipment.published(COUNTER_ANNOUNCED, CounterAnnounced)
    return [announcement.counter for announcement in found]


def last_trigger_is(equipment: RunningEquipment, number: int) -> bool:
    return [trigger.counter for trigger in equipment.triggered()][-1:] == [number]


def qualities(batch: MachineSamples) -> dict[str, str]:
    return {sample.tag: sample.quality for sample in batch.samples}


def values(batch: MachineSamples) -> dict[str, object]:
    return {sample.tag: sample.value for sample in batch.samples}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("protocol", "address"),
    [("opcua", "opc.tcp://127.0.0.1:{}/sightline/plc"), ("modbus", "modbus-tcp://127.0.0.1:{}")],
)
def test_a_plc_away_at_the_start_is_a_fault_and_its_coming_ends_it(
    protocol: str, address: str
) -> None:
    port = free_port()
    endpoint = address.format(port)
    with running_equipment(endpoint, sample_interval_s=0.1) as equipment:
        wait_for(
            "the fault names the endpoint",
            lambda: endpoint in equipment.faults().get("plc-away", ""),
        )
        wait_for("batches come all the same", lambda: len(equipment.samples()) >= 3)
        assert not equipment.ready
        assert set(qualities(equipment.samples()[-1]).values()) == {"stale"}
        with running_plc(port=port, protocol=protocol) as plc:
            equipment.wait_until_ready()
            assert "plc-away" not in equipment.faults()
            number = plc.count_part()
            wait_for("the trigger", lambda: [t.counter for t in equipment.triggered()] == [number])


def test_a_plc_away_for_a_while_is_found_again_and_what_was_counted_meanwhile_is_announced(
    plc: RunningPlc,
) -> None:
    with running_equipment(plc.plc.endpoint, sample_interval_s=0.1) as equipment:
        equipment.wait_until_ready()
        plc.count_part()
        wait_for("the first trigger", lambda: len(equipment.triggered()) == 1)
        plc.start_task(plc.plc.drop_connections(1.5))
        wait_for("the fault", lambda: "plc-away" in equipment.faults())
        assert not equipment.ready
        unseen = [plc.count_part(), plc.count_part()]
        equipment.wait_until_ready()
        wait_for("the last number is announced", lambda: announced(equipment)[-1] == unseen[-1])
        assert [t.counter for t in equipment.triggered()] == [1]
        number = plc.count_part()
        wait_for("its trigger", lambda: equipment.triggered()[-1].counter == number)
        equipment.judge(number, "ok")
        assert plc.outcome(number) == ("passed", "ok")
        wait_for(
            "the outcomes of all four are told",
            lambda: {1, *unseen, number} <= {a.part_number for a in equipment.gate_acted()},
        )


def test_a_plc_that_lost_its_memory_counts_anew_and_an_old_verdict_opens_for_no_new_part(
    plc: RunningPlc,
) -> None:
    with running_equipment(plc.plc.endpoint) as equipment:
        equipment.wait_until_ready()
        plc.count_part()
        wait_for("the trigger", lambda: len(equipment.triggered()) == 1)
        old = equipment.triggered()[0]
        plc.run(plc.plc.drop_connections(0.2, next_number=1))
        wait_for("the PLC found again", lambda: equipment.ready and announced(equipment)[-1] == 0)
        assert plc.count_part() == 1
        equipment.judge(1, "ok", triggered_monotonic_ns=old.received_monotonic_ns)
        assert plc.outcome(1) == ("rejected", "no_verdict")


def test_a_counter_that_jumps_is_told_as_it_is(plc: RunningPlc) -> None:
    with running_equipment(plc.plc.endpoint) as equipment:
        equipment.wait_until_ready()
        for by, number in ((0, 1), (2000, 2002), (-1500, 503)):
            plc.plc.jump_counter(by)
            assert plc.count_part() == number
            wait_for(f"the trigger of part {number}", partial(last_trigger_is, equipment, number))
        assert [t.counter for t in equipment.triggered()] == [1, 2002, 503]
        assert equipment.health.build_report().counters["counter_restarts"] == 1


@only_opcua
def test_two_thousand_fast_counts_are_all_told_in_order(plc: RunningPlc) -> None:
    async def count_fast() -> None:
        for _ in range(2000):
            await plc.plc.count_part()

    with running_equipment(plc.plc.endpoint) as equipment:
        equipment.wait_until_ready()
        plc.run(count_fast(), timeout_s=60)
        wait_for("2,000 triggers", lambda: len(equipment.triggered()) >= 2000, 60)
        assert [t.counter for t in equipment.triggered()] == list(range(1, 2001))
        times = [t.counted_utc_ns for t in equipment.triggered()]
        assert times == sorted(times)


@only_modbus
def test_of_counts_between_two_polls_the_last_is_told_and_none_is_told_twice(
    plc: RunningPlc,
) -> None:
    async def count_fast() -> None:
        for _ in range(500):
            await plc.plc.count_part()
            await asyncio.sleep(0)

    with running_equipment(plc.plc.endpoint) as equipment:
        equipment.wait_until_ready()
        plc.run(count_fast(), timeout_s=60)
        wait_for("the last", lambda: [t.counter for t in equipment.triggered()][-1:] == [500])
        told = [t.counter for t in equipment.triggered()]
        assert told == sorted(set(told))


def test_the_outcomes_that_the_plc_keeps_are_told_again_after_a_restart(plc: RunningPlc) -> None:
    with running_equipment(plc.plc.endpoint) as equipment:
        equipment.wait_until_ready()
        numbers = [plc.count_part() for _ in range(3)]
        wait_for("three outcomes", lambda: len(equipment.gate_acted()) == 3)
    meanwhile = plc.count_part()
    plc.outcome(meanwhile)
    with running_equipment(plc.plc.endpoint) as equipment:
        wait_for("all four again", lambda: len(equipment.gate_acted()) == 4)
        assert [a.part_number for a in equipment.gate_acted()] == [*numbers, meanwhile]
        assert {a.cause for a in equipment.gate_acted()} <= {"no_verdict", "heartbeat"}


def test_a_publisher_that_starts_on_a_line_at_rest_is_told_all_outcomes_again(
    plc: RunningPlc,
) -> None:
    with running_equipment(plc.plc.endpoint) as equipment:
        equipment.wait_until_ready()
        numbers = [plc.count_part() for _ in range(3)]
        wait_for("three outcomes", lambda: len(equipment.gate_acted()) == 3)
        equipment.start_publisher()
        wait_for("all three again", lambda: len(equipment.gate_acted()) == 6)
        assert [a.part_number for a in equipment.gate_acted()] == [*numbers, *numbers]


def test_of_many_parts_while_no_one_listened_the_last_64_outcomes_are_told(
    plc: RunningPlc,
) -> None:
    numbers = [plc.count_part() for _ in range(80)]
    plc.outcome(numbers[-1])
    with running_equipment(plc.plc.endpoint) as equipment:
        wait_for("64 outcomes", lambda: len(equipment.gate_acted()) == 64)
        assert [a.part_number for a in equipment.gate_acted()] == numbers[-64:]


def test_a_tag_that_reads_nan_is_bad_and_one_that_is_gone_is_missing_and_both_recover(
    plc: RunningPlc,
) -> None:
    with running_equipment(plc.plc.endpoint, sample_interval_s=0.1) as equipment:
        equipment.wait_until_ready()
        plc.run(plc.plc.set_tag_fault("vibration", "nan"))
        plc.run(plc.plc.set_tag_fault("air_pressure", "missing"))
        expected = {"vibration": "bad", "air_pressure": "missing", "motor_current": "good"}
        wait_for(
            "their qualities",
            lambda: expected.items() <= qualities(equipment.samples()[-1]).items(),
        )
        assert values(equipment.samples()[-1])["vibration"] is None
        plc.run(plc.plc.set_tag_fault("vibration", None))
        plc.run(plc.plc.set_tag_fault("air_pressure", None))
        wait_for("all good", lambda: set(qualities(equipment.samples()[-1]).values()) == {"good"})


def test_one_batch_comes_each_interval_numbered_without_a_gap(plc: RunningPlc) -> None:
    with running_equipment(plc.plc.endpoint, sample_interval_s=0.1) as equipment:
        equipment.wait_until_ready()
        plc.start_task(plc.plc.drop_connections(0.5))
        wait_for("20 batches", lambda: len(equipment.samples()) >= 20)
        batches = equipment.samples()
        assert [batch.sequence for batch in batches] == list(range(1, len(batches) + 1))
        assert {"stale", "good"} <= {q for batch in batches for q in qualities(batch).values()}


def test_a_machine_without_tags_still_sends_empty_batches(plc: RunningPlc) -> None:
    with running_equipment(plc.plc.endpoint, sample_interval_s=0.1, tags=()) as equipment:
        equipment.wait_until_ready()
        wait_for("three batches", lambda: len(equipment.samples()) >= 3)
        assert all(batch.samples == () for batch in equipment.samples())


@only_opcua
def test_a_wrong_node_id_is_a_fault_that_names_it(plc: RunningPlc) -> None:
    nodes = PlcNodes(part_counter="nsu=urn:sightline:plc;s=No.Such")
    with running_equipment(plc.plc.endpoint, link={"nodes": nodes}) as equipment:
        wait_for("the fault", lambda: "No.Such" in equipment.faults().get("plc-away", ""))
        assert not equipment.ready
