"""While parts pass no processor sleeps, and afterwards they may again."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline.kernel.cpu_latency import CPU_LATENCY_DEVICE, CpuLatencyRequest

AWAKE, AS_THEY_LIKE = 0, 2_000_000_000


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    """A file in place of the device, which is the machine's: it keeps what was asked."""
    file = tmp_path / "cpu_dma_latency"
    file.touch()
    return file


def words(file: Path) -> list[int]:
    return [value for (value,) in struct.iter_unpack("i", file.read_bytes())]


@pytest.fixture
def real() -> Iterator[CpuLatencyRequest]:
    found = CpuLatencyRequest()
    if not found.is_available:
        pytest.skip(f"{CPU_LATENCY_DEVICE} cannot be opened by this user")
    yield found
    found.close()


def test_the_kernel_lets_no_processor_sleep_while_it_is_asked(real: CpuLatencyRequest) -> None:
    real.keep_awake_until(1_000)
    assert struct.unpack("i", CPU_LATENCY_DEVICE.read_bytes()[:4]) == (AWAKE,)


def test_to_have_the_device_open_keeps_nobody_awake(asked: Path) -> None:
    CpuLatencyRequest(asked)
    assert words(asked) == [AS_THEY_LIKE]


def test_processors_sleep_again_when_no_part_came_for_that_time(asked: Path) -> None:
    wakefulness = CpuLatencyRequest(asked)
    wakefulness.keep_awake_until(1_000)
    wakefulness.tick(999)
    assert words(asked)[-1] == AWAKE
    wakefulness.tick(1_000)
    assert words(asked)[-1] == AS_THEY_LIKE


def test_each_part_puts_it_off_and_asks_the_kernel_once(asked: Path) -> None:
    wakefulness = CpuLatencyRequest(asked)
    wakefulness.keep_awake_until(1_000)
    wakefulness.keep_awake_until(2_000)
    wakefulness.tick(1_500)
    assert words(asked) == [AS_THEY_LIKE, AWAKE]


def test_a_user_who_may_not_ask_is_served_without(tmp_path: Path) -> None:
    wakefulness = CpuLatencyRequest(tmp_path / "not-there")
    assert not wakefulness.is_available
    wakefulness.keep_awake_until(1_000)
    wakefulness.tick(2_000)
    wakefulness.close()
