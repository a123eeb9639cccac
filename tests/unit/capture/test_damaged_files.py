"""Small files that are damaged, before the start or while it runs: reported, set aside, never the end."""

import json
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture.component import NUMBERING_FILE
from capture.part_counter import EPOCH_FILE
from sightline.imaging.frame_ring import ring_path
from sightline.storage.product_store import PRODUCT_FILE
from tests.unit.capture.capture_kit import CaptureUnderTest, MachineClock, four_pictures
from tests.unit.capture.changeover_kit import command, deploy, stamps
from tests.unit.capture.commissioning_kit import find_step, send_command
from tests.unit.capture.conftest import StartStation

Damage = Callable[[Path], None]
SMALL_FILES = [
    "chosen.json",
    NUMBERING_FILE,
    EPOCH_FILE,
    "station/positions.json",
    "station/calibration.json",
    "station/references/bottle/current",
    "station/products/names/bottle",
    "station/products/names/can",
    "station/products/DIGEST/product.json",
]


def become_a_folder(file: Path) -> None:
    """A folder with something in it stands where the file was."""
    if file.is_file():
        file.unlink()
    file.mkdir(parents=True, exist_ok=True)
    (file / "something").touch()


def be_cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:5] if file.is_file() else b"")


DAMAGES: dict[str, Damage] = {
    "no UTF-8": lambda file: _write(file, b"\xff\xfe\x00garbage\x80"),
    "zeros": lambda file: _write(file, bytes(300)),
    "other JSON": lambda file: _write(file, b'{"cam1": ["a", 5, null], "epoch": -1e308}'),
    "deep JSON": lambda file: _write(file, b"[" * 100_000),
    "a number": lambda file: _write(file, b"9" * 5000),
    "a way out": lambda file: _write(file, b"../../../etc"),
    "empty": lambda file: _write(file, b""),
    "cut": be_cut,
    "a folder": become_a_folder,
}


def _write(file: Path, content: bytes) -> None:
    if file.is_dir():
        shutil.rmtree(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def prepare(folder: Path) -> None:
    """Pictures, two products, and all small files as a station has them."""
    four_pictures(folder / "pictures")
    deploy(folder, "bottle")
    deploy(folder, "can", version="4")


def path_of(folder: Path, name: str) -> Path:
    """The file; DIGEST stands for the folder of the product bottle."""
    if "DIGEST" not in name:
        return folder / name
    (found,) = (
        file
        for file in (folder / "station" / "products").glob(f"*/{PRODUCT_FILE}")
        if json.loads(file.read_text())["name"] == "bottle"
    )
    return found


@pytest.fixture
def begin(start_station: StartStation, tmp_path: Path) -> StartStation:
    """Lives of a station that makes bottles, after one life in which all small files were written."""
    prepare(tmp_path)

    def start(**values: object) -> CaptureUnderTest:
        return start_station(product="bottle", **values)

    first = start(clock=MachineClock())
    first.trigger(1, 2)
    command(first, "c-1", "change_product", product="can")
    mapped = send_command(first, "map_cameras", cam1="cam2", cam2="cam1")
    assert find_step(first, mapped).result == "done"
    (tmp_path / "station" / "references" / "bottle").mkdir(parents=True)
    (tmp_path / "station" / "references" / "bottle" / "current").write_text("")
    first.capture.close()
    return start


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", SMALL_FILES)
def test_a_damaged_file_keeps_no_station_from_starting_and_numbering(
    begin: StartStation, tmp_path: Path, name: str, damage: str
) -> None:
    DAMAGES[damage](path_of(tmp_path, name))
    station = begin()
    station.trigger(3, 4)
    station.advance(2)
    assert station.numbers == [3, 4]
    assert station.announced[-1].last.part_number == 4
    again = begin()
    again.trigger(5)
    assert again.numbers == [5]
    assert again.captured[0].part > station.captured[-1].part


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", SMALL_FILES)
def test_a_file_that_is_damaged_while_the_station_runs_ends_nothing(
    begin: StartStation, tmp_path: Path, name: str, damage: str
) -> None:
    station = begin()
    station.trigger(3)
    DAMAGES[damage](path_of(tmp_path, name))
    station.advance(2)
    station.trigger(4, 5)
    station.advance(2)
    command(station, "c-2", "lot_start", lot="L-1")
    station.trigger(6)
    assert station.numbers == [3, 4, 5, 6]
    again = begin()
    again.trigger(7)
    assert again.captured[0].part > station.captured[-1].part


REPORTED = {
    "chosen.json": "choice-not-readable",
    NUMBERING_FILE: "part-counter",
    "station/positions.json": "camera-positions",
    "station/calibration.json": "calibration",
    "station/references/bottle/current": "taken-reference",
    "station/products/names/bottle": "product-refused",
    "station/products/DIGEST/product.json": "product-refused",
}


@pytest.mark.parametrize("damage", ["no UTF-8", "a folder", "zeros"])
@pytest.mark.parametrize(("name", "code"), REPORTED.items())
def test_a_damaged_file_is_a_fault_in_words(
    begin: StartStation, tmp_path: Path, name: str, code: str, damage: str
) -> None:
    DAMAGES[damage](path_of(tmp_path, name))
    station = begin()
    assert code in station.faults
    assert len(station.faults[code]) > 20
    json.dumps(station.faults).encode()  # it can be told


@pytest.mark.parametrize(
    "name",
    [
        "chosen.json",
        NUMBERING_FILE,
        "station/calibration.json",
        "station/references/bottle/current",
    ],
)
def test_what_was_damaged_is_kept_beside(begin: StartStation, tmp_path: Path, name: str) -> None:
    content = b"\xff\xfe damaged"
    (tmp_path / name).write_bytes(content)
    begin()
    (kept,) = (tmp_path / name).parent.glob(f"{Path(name).name}.damaged-*")
    assert kept.read_bytes() == content


def test_a_product_whose_name_is_damaged_is_made_no_more_but_the_last_good_goes_on(
    begin: StartStation, tmp_path: Path
) -> None:
    station = begin()
    command(station, "c-5", "change_product", product="bottle")
    become_a_folder(tmp_path / "station" / "products" / "names" / "bottle")
    station.advance(2)
    station.trigger(3)
    assert stamps(station)[-1][:2] == ("bottle", "1")
    assert "bottle cannot be read" in station.faults["product-refused"]
    again = begin()
    again.trigger(4)
    assert stamps(again)[-1][:2] == ("bottle", "")  # not known, so never ok
    assert "product-unknown" in again.faults


def test_a_name_of_a_product_that_is_no_text_can_be_told(
    begin: StartStation, tmp_path: Path
) -> None:
    name = os.fsdecode(b"\xff\xfe")
    (tmp_path / "station" / "products" / "names" / name).write_bytes(b"x")
    told = begin().faults["product-refused"]
    assert "udcff" in told
    assert told.encode()


def test_parts_are_out_of_range_where_it_is_not_known_which_reference_was_taken(
    begin: StartStation, tmp_path: Path
) -> None:
    (tmp_path / "station" / "references" / "bottle" / "current").write_bytes(b"\xff\xfe")
    for _ in range(2):
        station = begin(clock=MachineClock())
        command(station, f"c-{uuid.uuid4().hex[:6]}", "change_product", product="bottle")
        last = station.capture._counter.last_number
        station.trigger(last + 1)
        assert all("reference" in found.out_of_range for found in station.captured[-1].conditions)
    forgotten = find_step(
        station, send_command(station, "take_reference", product="bottle", forget=True)
    )
    assert forgotten.result == "done"
    station.trigger(last + 2)
    assert not any("reference" in found.out_of_range for found in station.captured[-1].conditions)
    assert "taken-reference" not in station.faults


def test_a_number_file_taken_away_while_it_is_open_is_there_again_for_the_next_start(
    begin: StartStation, tmp_path: Path
) -> None:
    station = begin()
    station.trigger(3)
    (tmp_path / NUMBERING_FILE).unlink()
    station.trigger(4)
    station.advance(1)
    again = begin()
    assert again.announced[-1].last == station.captured[-1].part
    assert "part-counter" not in again.faults


def test_a_clock_of_1970_and_a_lost_number_do_not_lead_to_an_epoch_of_the_past(
    begin: StartStation, tmp_path: Path
) -> None:
    station = begin()
    station.trigger(3)
    (tmp_path / NUMBERING_FILE).unlink()
    again = begin()
    again.clock.utc_offset_ns = 0
    again.trigger(4)
    assert again.captured[0].part.epoch > station.captured[0].part.epoch
    assert again.captured[0].continues


@pytest.fixture(scope="module")
def worn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all examples of the property share, for a start takes time."""
    folder = tmp_path_factory.mktemp("worn")
    prepare(folder)
    return folder


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    damaged=st.dictionaries(st.sampled_from(SMALL_FILES[:-1]), st.binary(max_size=600), min_size=1)
)
def test_no_bytes_in_any_small_file_keep_a_station_from_numbering_on(
    worn: Path, damaged: dict[str, bytes]
) -> None:
    for name, content in damaged.items():
        _write(worn / name, content)
    name = f"test-{uuid.uuid4().hex[:12]}"
    station = CaptureUnderTest(worn, name, product="bottle")
    try:
        number = station.capture._counter.last_number + 1
        station.trigger(number)
        station.advance(1)
        assert station.numbers == [number]
        assert json.dumps(station.faults).encode()
    finally:
        station.capture.close()
    assert not ring_path(name).exists()


@pytest.mark.parametrize("damage", ["no UTF-8", "a folder", "empty"])
def test_where_it_is_not_known_which_camera_stands_where_no_part_is_within_its_conditions(
    begin: StartStation, tmp_path: Path, damage: str
) -> None:
    DAMAGES[damage](tmp_path / "station" / "positions.json")
    for number in (3, 4):  # a restart makes nothing better
        station = begin(clock=MachineClock())
        station.trigger(number)
        assert "no part is ok" in station.faults["camera-positions"]
        found = station.captured[-1].conditions
        assert all("position-unknown" in conditions.out_of_range for conditions in found)
    mapped = find_step(station, send_command(station, "map_cameras", cam1="cam2", cam2="cam1"))
    assert mapped.result == "done"
    station.trigger(5)
    found = station.captured[-1].conditions
    assert not any("position-unknown" in conditions.out_of_range for conditions in found)
    assert "camera-positions" not in station.faults


@pytest.mark.parametrize("damage", ["no UTF-8", "a folder", "cut"])
def test_where_it_is_lost_what_was_chosen_no_part_is_within_its_conditions(
    begin: StartStation, tmp_path: Path, damage: str
) -> None:
    DAMAGES[damage](tmp_path / "chosen.json")
    for number in (3, 4):  # a restart makes nothing better
        station = begin()
        station.trigger(number)
        assert "Set the product again" in station.faults["choice-not-readable"]
        assert stamps(station)[-1][0] == "bottle"  # as configured
        assert is_in_doubt(station)
    command(station, "c-7", "lot_start", lot="L-3")
    station.trigger(5)
    assert is_in_doubt(station)
    command(station, "c-8", "change_product", product="can")
    station.trigger(6)
    assert not is_in_doubt(station)
    assert "choice-not-readable" not in station.faults
    again = begin()
    again.trigger(7)
    assert not is_in_doubt(again)


def test_what_the_plc_names_is_in_no_doubt(begin: StartStation, tmp_path: Path) -> None:
    (tmp_path / "chosen.json").write_bytes(b"\xff")
    station = begin()
    station.trigger(3, product="can")
    assert not is_in_doubt(station)


def is_in_doubt(station: CaptureUnderTest) -> bool:
    """Whether the last part is out of range because of what it is."""
    return all(
        "product-in-doubt" in found.out_of_range for found in station.captured[-1].conditions
    )
