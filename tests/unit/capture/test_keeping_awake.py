"""Processors stay awake while parts come, and sleep when the line rests."""

import struct
from pathlib import Path

import pytest

from capture import component as capture_station
from sightline.kernel.cpu_latency import CpuLatencyRequest
from tests.unit.capture.conftest import StartStation

AWAKE = 0


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in place of the kernel's device: it keeps what was asked."""
    file = tmp_path / "cpu_dma_latency"
    file.touch()
    monkeypatch.setattr(capture_station, "CpuLatencyRequest", lambda: CpuLatencyRequest(file))
    return file


def is_awake(asked: Path) -> bool:
    *_, (last,) = struct.iter_unpack("i", asked.read_bytes())
    return bool(last == AWAKE)


def test_from_a_part_until_some_time_after_the_last(
    asked: Path, pictures: Path, start_station: StartStation
) -> None:
    station = start_station(keepAwakeS=3.0)
    station.advance(1.0)
    assert not is_awake(asked)
    station.trigger(1)
    station.advance(2.0)
    station.trigger(2)
    station.advance(2.0)
    assert is_awake(asked)
    station.advance(2.5)
    assert not is_awake(asked)
    station.trigger(3)
    assert is_awake(asked)


def test_a_station_told_so_lets_them_sleep(
    asked: Path, pictures: Path, start_station: StartStation
) -> None:
    station = start_station(keepAwakeS=0)
    station.trigger(1)
    assert not is_awake(asked)
    assert len(station.captured) == 1
