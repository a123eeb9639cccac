"""A model is served only if it is the one that its name promises."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from sightline.errors import ModelError
from sightline.storage.model_store import (
    MODEL_FILES,
    compute_digest,
    find_model,
    store_model,
    store_model_forms,
)


@pytest.fixture
def delivered(tmp_path: Path) -> Path:
    folder = tmp_path / "delivered"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"weights, first edition")
    (folder / "golden.npz").write_bytes(b"golden frames")
    (folder / "card.json").write_text("{}")
    (folder / "notes.txt").write_text("stays behind")
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "models"


def test_a_model_is_found_by_its_name_under_its_digest(delivered: Path, store: Path) -> None:
    digest = store_model(delivered, "surface", store)
    assert digest == hashlib.sha256(b"weights, first edition").hexdigest()
    found = find_model(store, "surface")
    assert found == store / digest
    assert {file.name for file in found.iterdir()} == {"model.onnx", "golden.npz", "card.json"}


def test_a_new_edition_takes_the_name_and_the_old_one_stays(delivered: Path, store: Path) -> None:
    first = store_model(delivered, "surface", store)
    (delivered / "model.onnx").write_bytes(b"weights, second edition")
    second = store_model(delivered, "surface", store)
    assert find_model(store, "surface") == store / second
    assert compute_digest(store / first / "model.onnx") == first


def test_putting_the_same_model_again_changes_nothing(delivered: Path, store: Path) -> None:
    assert store_model(delivered, "surface", store) == store_model(delivered, "surface", store)
    assert sorted(file.name for file in store.iterdir())[1:] == ["names"]


def test_a_damaged_file_is_not_served(delivered: Path, store: Path) -> None:
    digest = store_model(delivered, "surface", store)
    (store / digest / "model.onnx").write_bytes(b"weights, one bit other")
    with pytest.raises(ModelError, match="is damaged: its digest is"):
        find_model(store, "surface")


@pytest.mark.parametrize("file", MODEL_FILES)
def test_a_model_that_is_damaged_in_the_store_is_whole_again_when_it_is_installed_again(
    delivered: Path, store: Path, file: str
) -> None:
    digest = store_model(delivered, "surface", store)
    (store / digest / file).write_bytes(b"one bit other")
    store_model(delivered, "surface", store)
    assert (find_model(store, "surface") / file).read_bytes() == (delivered / file).read_bytes()
    (store / digest / file).unlink()
    store_model(delivered, "surface", store)
    assert (find_model(store, "surface") / file).read_bytes() == (delivered / file).read_bytes()
    assert sorted(entry.name for entry in store.iterdir()) == [digest, "names"]


def test_a_model_that_is_delivered_without_a_card_has_none_in_the_store(
    delivered: Path, store: Path
) -> None:
    store_model(delivered, "surface", store)
    (delivered / "card.json").unlink()
    store_model(delivered, "surface", store)
    assert not (find_model(store, "surface") / "card.json").exists()


def test_a_name_that_nobody_put_is_said(store: Path) -> None:
    with pytest.raises(ModelError, match="no model named 'cap'"):
        find_model(store, "cap")


def test_a_name_that_holds_no_digest_is_said(delivered: Path, store: Path) -> None:
    store_model(delivered, "surface", store)
    (store / "names" / "surface").write_text("../../elsewhere")
    with pytest.raises(ModelError, match="a SHA-256 is expected"):
        find_model(store, "surface")


def test_a_model_whose_files_are_gone_is_said(delivered: Path, store: Path) -> None:
    digest = store_model(delivered, "surface", store)
    (store / digest / "model.onnx").unlink()
    with pytest.raises(ModelError, match=r"model\.onnx: No such file"):
        find_model(store, "surface")


def run_put(folder: Path, store: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "sightline.storage.model_store", "put", str(folder)]
    return subprocess.run(
        [*command, "--name", "surface", "--store", str(store)], capture_output=True, text=True
    )


def test_the_install_step_puts_a_model_and_says_its_digest(delivered: Path, store: Path) -> None:
    ended = run_put(delivered, store)
    assert ended.returncode == 0
    digest = find_model(store, "surface").name
    assert ended.stdout == f"surface {digest}\nsurface-fp32 {digest}\n"


def test_a_form_in_another_precision_is_put_under_a_name_of_its_own(
    delivered: Path, store: Path
) -> None:
    (delivered / "int8").mkdir()
    (delivered / "int8" / "model.onnx").write_bytes(b"fewer bits")
    assert run_put(delivered, store).returncode == 0
    assert (find_model(store, "surface-int8") / "model.onnx").read_bytes() == b"fewer bits"
    assert find_model(store, "surface-fp32") != find_model(store, "surface-int8")


@pytest.mark.parametrize("int8_is_best", [True, False])
def test_the_name_itself_points_to_the_form_that_is_best_on_the_machine(
    delivered: Path, store: Path, int8_is_best: bool
) -> None:
    (delivered / "int8").mkdir()
    (delivered / "int8" / "model.onnx").write_bytes(b"fewer bits")
    digests = store_model_forms(delivered, "surface", store, int8_is_best)
    assert digests["surface"] == digests["surface-int8" if int8_is_best else "surface-fp32"]
    (delivered / "int8" / "model.onnx").unlink()
    (delivered / "model.onnx").write_bytes(b"a later version, in one form only")
    assert find_model(store, "surface").name == digests["surface"]
    later = store_model_forms(delivered, "surface", store, int8_is_best)
    assert find_model(store, "surface").name == later["surface"] == later["surface-fp32"]


def test_a_card_that_tells_no_known_precision_is_refused(delivered: Path, store: Path) -> None:
    (delivered / "card.json").write_text('{"precision": "int3"}')
    with pytest.raises(ModelError, match=r"card\.json: Invalid enum value 'int3'"):
        store_model_forms(delivered, "surface", store, False)


def test_the_install_step_fails_in_words_when_there_is_no_model(
    tmp_path: Path, store: Path
) -> None:
    ended = run_put(tmp_path / "nowhere", store)
    assert ended.returncode == 1
    assert "nowhere/model.onnx: No such file" in ended.stderr
    assert "Traceback" not in ended.stderr
