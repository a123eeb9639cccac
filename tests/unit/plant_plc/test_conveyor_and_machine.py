"""The conveyor keeps its rate and brings the last part home; the drive's readings are plausible."""

import asyncio
import itertools
import math
import time
from collections.abc import Awaitable, Callable, Sequence

import pytest

from hil.plant.conveyor import Conveyor
from hil.plant.drive_model import MACHINE_TAGS, MachineModel


class NotedLine:
    """A line that notes what the conveyor does to it."""

    def __init__(self) -> None:
        self.counted_at_s: list[float] = []
        self.running: list[bool] = []
        self.parts_under_way = False
        self.belt_stands = False

    async def count_part(self) -> tuple[int, int]:
        """Note a part."""
        self.counted_at_s.append(time.monotonic())
        return len(self.counted_at_s), time.time_ns()

    async def set_line(self, running: bool) -> None:
        """Note the belt."""
        self.running.append(running)


async def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


def with_conveyor(
    rate_hz: float,
    parts: int | None,
    work: Callable[[NotedLine, Conveyor, list[int]], Awaitable[None]],
    schedule: Sequence[float] = (),
) -> None:
    async def run() -> None:
        line, told = NotedLine(), list[int]()
        conveyor = Conveyor(line, rate_hz, parts, lambda number, _: told.append(number), schedule)
        task = asyncio.create_task(conveyor.run())
        try:
            await work(line, conveyor, told)
        finally:
            task.cancel()

    asyncio.run(run())


def test_it_feeds_so_many_parts_and_stops_the_belt_when_the_last_has_gone() -> None:
    async def work(line: NotedLine, conveyor: Conveyor, told: list[int]) -> None:
        line.parts_under_way = True
        conveyor.start()
        await until(lambda: len(told) == 5)
        await asyncio.sleep(0.1)
        assert line.running == [True]
        line.parts_under_way = False
        await until(lambda: line.running == [True, False])
        assert told == [1, 2, 3, 4, 5]
        conveyor.start()  # all are fed: nothing more comes
        await asyncio.sleep(0.05)
        assert line.running == [True, False]

    with_conveyor(100, 5, work)


def test_it_never_feeds_faster_than_its_rate() -> None:
    async def work(line: NotedLine, conveyor: Conveyor, told: list[int]) -> None:
        started_s = time.monotonic()
        conveyor.start()
        await until(lambda: len(told) >= 100)
        for place, counted_at_s in enumerate(line.counted_at_s):
            assert counted_at_s - started_s >= place / 200 - 0.001

    with_conveyor(200, None, work)


def test_a_schedule_gives_each_part_its_own_time() -> None:
    schedule = (0.0, 0.05, 0.3, 0.32)

    async def work(line: NotedLine, conveyor: Conveyor, told: list[int]) -> None:
        conveyor.start()
        await until(lambda: len(told) == 4)
        came = [at_s - line.counted_at_s[0] for at_s in line.counted_at_s]
        assert all(at_s >= due_s - 0.01 for at_s, due_s in zip(came, schedule, strict=True))
        await until(lambda: line.running == [True, False])

    with_conveyor(100, None, work, schedule)


def test_a_line_that_was_stopped_goes_on_where_it_was() -> None:
    async def work(line: NotedLine, conveyor: Conveyor, told: list[int]) -> None:
        conveyor.start()
        await until(lambda: len(told) >= 3)
        conveyor.stop()
        await until(lambda: line.running == [True, False])
        fed = len(told)
        conveyor.start()
        await until(lambda: len(told) >= fed + 3)
        assert told == list(range(1, len(told) + 1))

    with_conveyor(100, None, work)


def test_a_line_that_is_held_feeds_nothing_and_makes_up_for_nothing() -> None:
    async def work(line: NotedLine, conveyor: Conveyor, told: list[int]) -> None:
        conveyor.start()
        await until(lambda: len(told) >= 3)
        line.belt_stands = True
        await asyncio.sleep(0.02)
        fed = len(told)
        await asyncio.sleep(0.2)
        assert len(told) == fed
        line.belt_stands = False
        await until(lambda: len(told) >= fed + 5)
        pauses = [b - a for a, b in itertools.pairwise(line.counted_at_s[fed:])]
        assert sum(pauses[:4]) >= 4 * 0.01 - 0.005

    with_conveyor(100, None, work)


def steps(model: MachineModel, seconds: float, running: bool) -> list[dict[str, float]]:
    return [model.step(0.1, running) for _ in range(round(seconds * 10))]


@pytest.mark.parametrize("seed", range(3))
def test_a_running_drive_stays_within_its_normal_limits(seed: int) -> None:
    readings = steps(MachineModel(seed), 1200, True)[50:]
    for tag in MACHINE_TAGS:
        values = [reading[tag.name] for reading in readings]
        assert tag.normal_low <= min(values)
        assert max(values) <= tag.normal_high
        assert all(math.isfinite(value) for value in values)


def test_a_drive_that_stops_draws_less_and_cools_down() -> None:
    model = MachineModel(1)
    running, stopped = steps(model, 1200, True)[-1], steps(model, 1200, False)[-1]
    assert stopped["motor_current"] < 0.2 * running["motor_current"]
    assert stopped["vibration"] < 0.5 * running["vibration"]
    assert stopped["motor_temperature"] < running["motor_temperature"] - 10


def test_the_same_seed_gives_the_same_readings() -> None:
    assert steps(MachineModel(4), 10, True) == steps(MachineModel(4), 10, True)
    assert steps(MachineModel(4), 10, True) != steps(MachineModel(5), 10, True)
