"""Products' recipes are refused at the door, and the store keeps the last good version."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sightline.errors import ConfigurationError
from sightline.storage.product_store import PRODUCT_FILE, ProductStoreReader, store_product
from sightline.storage.products import VerdictPolicy, load_product

PRODUCTS = Path(__file__).resolve().parents[3] / "components" / "products"
CAN: dict[str, Any] = {
    "name": "can",
    "version": "3",
    "defects": {"dent": {"reject": 0.6, "review": 0.4, "keep": 0.2, "maxOkMm": 2.5}},
    "productLabels": ["lid"],
    "models": ["surface"],
}


def written(folder: Path, **changes: Any) -> Path:
    """A product's file with these changes."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / PRODUCT_FILE
    file.write_text(json.dumps({**CAN, **changes}))
    return file


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with version 3 of the can."""
    folder = tmp_path / "store"
    store_product(written(tmp_path / "can-3"), folder)
    return folder


def written_bytes(folder: Path, content: bytes) -> Path:
    file = folder / PRODUCT_FILE
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_product_is_read_as_windows_programs_save_it(tmp_path: Path, encoding: str) -> None:
    text = (PRODUCTS / "bottle" / PRODUCT_FILE).read_text()
    assert load_product(written_bytes(tmp_path, text.encode(encoding))).name == "bottle"


def test_a_key_that_is_there_twice_is_refused_but_for_what_the_store_has(tmp_path: Path) -> None:
    text = (PRODUCTS / "bottle" / PRODUCT_FILE).read_text()
    twice = written_bytes(tmp_path, text.replace("{", '{"description": "of before",', 1).encode())
    with pytest.raises(ConfigurationError, match="the key 'description' is there twice"):
        load_product(twice)
    assert load_product(twice, is_stored=True).description != "of before"


def test_the_demo_bottle_is_judged_as_a_part_without_a_product() -> None:
    bottle = load_product(PRODUCTS / "bottle" / PRODUCT_FILE)
    station = VerdictPolicy()
    assert bottle.defects == station.defects
    assert bottle.product_labels == station.product_labels
    assert bottle.product_score == station.product_score


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "a can"}, "at /name"),
        ({"version": ""}, "at /version"),
        ({"defects": {"dent": {"reject": 1.5}}}, r"at /defects/dent/reject: .*1\.0; found 1\.5"),
        ({"defects": {"dent": {"reject": 0.3, "review": 0.4}}}, "must not rise"),
        ({"defects": {"dent": {"maxOkMm": -1}}}, "maxOkMm"),
        (
            {"defects": {"dent": {"zones": {"cam1": []}}}},
            "at /defects/dent/zones/cam1: .*length >= 1",
        ),
        ({"defects": {"dent": {"zones": {"cam1": [{"left": 0.9, "right": 0.1}]}}}}, "left below"),
        ({"defects": {"dent": {"maxOkCount": 1.5}}}, "maxOkCount"),
        ({"models": []}, "at /models"),
        ({"productLabels": []}, 'no part could be ok: .*write "presence": "always"'),
        ({"presence": "always", "defects": {}}, "every part would be ok"),
        ({"presence": "sometimes"}, "at /presence"),
        ({"deadlineMs": 0}, "at /deadlineMs"),
        (
            {"conditions": {"minBrightness": 200, "maxBrightness": 100}},
            "at /conditions: minBrightness 200.0 is above maxBrightness 100.0",
        ),
        ({"mmPerPixel": {"cam1": 1, "cam2": 0}}, "at /mmPerPixel/cam2: .*found 0"),
        ({"cameras": {"cam1": {"controls": {"Exposure!": 3}}}}, "at /cameras/cam1/controls"),
        ({"cameras": {"cam1": {"controls": {"a": 1, "b": "x"}}}}, "at /cameras/cam1/controls/b"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_a_wrong_product_is_refused_with_its_place(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        load_product(written(tmp_path, **changes))


@pytest.mark.parametrize("key", ["models", "defects", "productLabels"])
def test_nothing_of_the_demo_stands_in_for_what_a_product_does_not_say(
    tmp_path: Path, key: str
) -> None:
    file = written(tmp_path)
    file.write_text(json.dumps({name: value for name, value in CAN.items() if name != key}))
    with pytest.raises(ConfigurationError, match=f"missing required field `{key}`|{key} is empty"):
        load_product(file)


def test_a_product_without_product_labels_can_be_present_always(tmp_path: Path) -> None:
    product = load_product(written(tmp_path, presence="always", productLabels=[]))
    assert product.describe_never_ok() == ""


@pytest.mark.parametrize("content", [b"", b"[]", b'{"name"', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_product_at_all_is_refused_too(tmp_path: Path, content: bytes) -> None:
    (tmp_path / PRODUCT_FILE).write_bytes(content)
    with pytest.raises(ConfigurationError, match="no product can be read"):
        load_product(tmp_path / PRODUCT_FILE)


def test_a_bad_file_is_refused_by_the_install_step_and_the_last_good_stays(
    store: Path, tmp_path: Path
) -> None:
    bad = written(tmp_path / "can-4", version="4", models=[])
    put = [
        sys.executable,
        "-m",
        "sightline.storage.product_store",
        "put",
        str(bad),
        "--store",
        str(store),
    ]
    ran = subprocess.run(put, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 1
    assert "at /models" in ran.stderr
    products = ProductStoreReader(store)
    assert products.refresh()
    assert products.current["can"].version == "3"


def test_a_version_stands_for_one_content(store: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="needs another version"):
        store_product(written(tmp_path / "other", productScore=0.9), store)
    assert store_product(written(tmp_path / "same"), store).version == "3"


def test_a_new_version_is_taken_at_the_next_look_and_the_old_one_stays_to_be_found(
    store: Path, tmp_path: Path
) -> None:
    products = ProductStoreReader(store)
    assert products.refresh()
    assert not products.refresh()
    store_product(written(tmp_path / "can-4", version="4", productScore=0.7), store)
    assert products.refresh()
    assert products.current["can"].version == "4"
    found = products.find("can", "3")
    assert found is not None
    assert found.product_score == 0.5
    fresh = ProductStoreReader(store).find("can", "3")
    assert fresh == found
    assert products.find("can", "5") is None
    assert products.find("tin", "3") is None


def test_a_version_that_another_process_took_already_is_found_without_a_look(
    store: Path, tmp_path: Path
) -> None:
    products = ProductStoreReader(store)
    products.refresh()
    store_product(written(tmp_path / "can-4", version="4"), store)
    found = products.find("can", "4")
    assert found is not None
    assert found.version == "4"


def test_a_file_that_is_damaged_in_the_store_is_told_and_the_last_good_stays(
    store: Path, tmp_path: Path
) -> None:
    products = ProductStoreReader(store)
    products.refresh()
    store_product(written(tmp_path / "can-4", version="4"), store)
    for file in store.glob(f"*/{PRODUCT_FILE}"):
        if json.loads(file.read_text())["version"] == "4":
            file.write_text(file.read_text().replace("0.6", "0.9"))
    assert products.refresh()
    assert products.current["can"].version == "3"
    assert "damaged" in products.problems["can"]
    store_product(written(tmp_path / "can-5", version="5"), store)
    assert products.refresh()
    assert products.problems == {}


@pytest.mark.parametrize("damaged", [b"", json.dumps({**CAN, "productScore": 0.9}).encode()])
def test_a_product_that_is_damaged_in_the_store_hinders_no_other_and_its_own_component_repairs_it(
    store: Path, tmp_path: Path, damaged: bytes
) -> None:
    products = ProductStoreReader(store)
    (file,) = store.glob(f"*/{PRODUCT_FILE}")
    file.write_bytes(damaged)
    products.refresh()
    store_product(written(tmp_path / "tin-1", name="tin", version="1"), store)
    assert products.refresh()
    assert set(products.current) == {"tin"}
    assert "damaged" in products.problems["can"]
    assert not products.refresh()
    store_product(written(tmp_path / "can-3"), store)
    assert products.refresh()
    assert products.current["can"].version == "3"
    assert products.problems == {}


@pytest.mark.parametrize("module", ["sightline.product_store", "sightline.model_store"])
def test_the_former_name_of_a_store_runs_it_without_a_warning(module: str) -> None:
    command = [sys.executable, "-W", "error", "-m", module, "--help"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "store" in ran.stdout
