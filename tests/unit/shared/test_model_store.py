"""A model is served only if it is the one that its name promises."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from sightline.errors import ModelError
from sightline.storage import model_folder
from sightline.storage.model_folder import MODEL_FILES, compute_digest
from sightline.storage.model_store import find_model, store_model, store_model_forms
from tests.unit.inference.small_models import RED, write_model


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


def run_check(folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "sightline.storage.model_store", "check", str(folder)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """A real model with golden frames and a card, as training exports it."""
    folder = write_model(tmp_path / "exported", "plan", "scratch", RED)
    write_card(folder)
    return folder


def write_card(folder: Path, **more: object) -> None:
    card = {"name": "plan", "digest": compute_digest(folder / "model.onnx"), **more}
    (folder / "card.json").write_text(json.dumps(card))


def test_the_install_step_puts_a_model_and_says_its_digest(exported: Path, store: Path) -> None:
    ended = run_put(exported, store)
    assert ended.returncode == 0
    assert "golden frames answered: 1" in ended.stderr
    digest = find_model(store, "surface").name
    assert ended.stdout == f"surface {digest}\nsurface-fp32 {digest}\n"


def test_a_form_in_another_precision_is_put_under_a_name_of_its_own(
    exported: Path, store: Path
) -> None:
    form = write_model(exported / "int8", "plan", "scratch", RED, sharpness=0.05)
    assert run_put(exported, store).returncode == 0
    found = find_model(store, "surface-int8") / "model.onnx"
    assert found.read_bytes() == (form / "model.onnx").read_bytes()
    assert find_model(store, "surface-fp32") != find_model(store, "surface-int8")


def spoil_weights(folder: Path) -> None:
    other = write_model(folder.parent / "other", "plan", "scratch", RED, sharpness=0.01)
    (folder / "model.onnx").write_bytes((other / "model.onnx").read_bytes())


def flip_bit(folder: Path) -> None:
    content = bytearray((folder / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.onnx").write_bytes(content)


def spoil_weights_and_card(folder: Path) -> None:
    spoil_weights(folder)
    write_card(folder)


def remove_golden_frames(folder: Path) -> None:
    (folder / "golden.npz").unlink()


def empty_golden_frames(folder: Path) -> None:
    nothing = np.zeros((0, 2, 2, 2))
    np.savez(folder / "golden.npz", images=nothing, boxes=nothing, scores=nothing)


def put_weights_outside(folder: Path) -> None:
    model = onnx.load(folder / "model.onnx")
    onnx.save(
        model,
        folder / "model.onnx",
        save_as_external_data=True,
        location="model.onnx.data",
        size_threshold=0,
    )


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_weights, "card.json is of the model"),
        (flip_bit, "card.json is of the model"),
        (spoil_weights_and_card, "golden frame 0 differs: scores by"),
        (remove_golden_frames, "has no golden.npz"),
        (empty_golden_frames, "has 0 pictures"),
        (put_weights_outside, "model.onnx.data: weights outside of model.onnx are not taken"),
    ],
)
def test_a_model_that_no_station_would_serve_is_refused_by_check_and_put_and_nothing_changes(
    exported: Path, store: Path, spoil: Callable[[Path], None], words: str
) -> None:
    before = find_model(store, "surface") if run_put(exported, store).returncode == 0 else None
    spoil(exported)
    for ended in (run_put(exported, store), run_check(exported)):
        assert ended.returncode == 1
        assert words in ended.stderr
        assert "Traceback" not in ended.stderr
    assert find_model(store, "surface") == before


def test_a_form_that_fails_keeps_the_whole_model_out(exported: Path, store: Path) -> None:
    form = write_model(exported / "int8", "plan", "scratch", RED)
    remove_golden_frames(form)
    assert run_put(exported, store).returncode == 1
    assert not store.exists()


def test_check_says_what_a_model_is(exported: Path) -> None:
    ended = run_check(exported)
    assert ended.returncode == 0
    assert "model plan (fp32, 160x96) finds scratch; golden frames answered: 1" in ended.stdout


def test_where_no_runtime_is_put_looks_at_the_files_and_check_says_what_is_lacking(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stub").mkdir()
    (tmp_path / "stub" / "onnxruntime.py").write_text("raise ImportError('no onnxruntime here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "stub"))
    (line,) = model_folder.check_model_folder(exported, runtime_needed=False)
    assert "not tried here: inference tries it before it serves" in line
    with pytest.raises(ModelError, match="cannot be tried here: no onnxruntime here"):
        model_folder.check_model_folder(exported, runtime_needed=True)


def test_a_model_that_takes_the_runtime_down_is_refused(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stub").mkdir()
    (tmp_path / "stub" / "onnxruntime.py").write_text("import os\nos.abort()")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "stub"))
    with pytest.raises(ModelError, match="the runtime cannot run it: it ended with exit code -6"):
        model_folder.check_model_folder(exported, runtime_needed=False)


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
