"""Models come, go and break; parts are accounted for all the same."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from sightline.errors import ModelError
from sightline.storage.model_store import find_model
from sightline.vision.detector import CONTRACT_KEY
from sightline.vision.golden_frames import check_golden_frames
from sightline.vision.onnx_detector import OnnxDetector
from tests.unit.inference.conftest import InferenceUnderTest
from tests.unit.inference.small_models import CELLS, RED, put, write_model


def test_without_a_model_parts_are_missed_and_when_it_comes_they_are_judged(
    bench: InferenceUnderTest,
) -> None:
    shutil.rmtree(bench.store)
    bench.start(wait_for_models=False)
    bench.run_until("the fault", lambda: len(bench.health.build_report().faults) == 2)
    first = bench.judge(1)
    assert (first.verdict, first.reason) == ("missed", "no model surface, cap")
    assert "model component puts it there" in bench.health.build_report().faults[0].text
    bench.install_models()
    bench.run_until("the models serve", lambda: bench.health.build_report().ready)
    assert bench.judge(2).verdict == "ok"
    assert bench.health.build_report().faults == ()


DAMAGES = {
    "not a model": "cannot be loaded as a model",
    "wrong shape": "wrong shape",
    "no contract": f"no metadata '{CONTRACT_KEY}'",
    "other answers": "golden frame 0 differs",
    "empty golden": "no golden frames",
    "cut golden": "no golden frames",
    "garbled golden": "no golden frames",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_model_that_cannot_serve_is_refused_and_the_one_in_force_stays(
    running: InferenceUnderTest, damage: str
) -> None:
    before = running.judge(1)
    put(running.store, damaged_model(running, damage), "surface")
    running.run_until("the refusal", lambda: len(running.health.build_report().faults) == 1)
    after = running.judge(2)
    assert after.verdict == "ok"
    assert after.models == before.models
    [fault] = running.health.build_report().faults
    assert fault.code == "model-surface"


def damaged_model(bench: InferenceUnderTest, damage: str) -> Path:
    """A model folder with one thing wrong."""
    folder = bench.folder / "damaged"
    if damage == "wrong shape":
        return write_model(folder, "surface", "scratch", RED, anchors=CELLS - 1)
    write_model(folder, "surface", "scratch", RED, sharpness=0.2)
    file, golden_file = folder / "model.onnx", folder / "golden.npz"
    if damage.endswith("golden"):
        golden_file.write_bytes(damaged_bytes(golden_file.read_bytes(), damage))
    elif damage == "not a model":
        file.write_bytes(b"this is no model")
    elif damage == "no contract":
        model = onnx.load(file)
        del model.metadata_props[:]
        onnx.save(model, file)
    elif damage == "other answers":
        with np.load(golden_file) as golden:
            other = {name: golden[name] for name in golden}
        other["scores"] = other["scores"] + 0.5
        np.savez_compressed(golden_file, **other)
    return folder


def damaged_bytes(content: bytes, damage: str) -> bytes:
    """What a disk that was full or worn left of them."""
    middle = len(content) // 2
    if damage == "empty golden":
        return b""
    if damage == "cut golden":
        return content[:middle]
    return content[: middle - 8] + bytes(16) + content[middle + 8 :]


@pytest.mark.parametrize(("damage", "words"), DAMAGES.items())
def test_the_error_of_a_broken_model_says_what_is_wrong(
    bench: InferenceUnderTest, damage: str, words: str
) -> None:
    folder = damaged_model(bench, damage)
    with pytest.raises(ModelError, match=words):
        check_golden_frames(OnnxDetector(folder, 1), folder / "golden.npz")


def test_a_new_model_serves_from_the_next_part_on_with_its_digest_in_the_verdict(
    running: InferenceUnderTest,
) -> None:
    before = running.judge(1)
    blunt = write_model(running.folder / "blunt", "surface", "scratch", RED, sharpness=0.05)
    digest = put(running.store, blunt, "surface")
    numbers = iter(range(2, 10_000))

    def new_model_judged() -> bool:
        return running.judge(next(numbers)).models[0].digest == digest

    running.run_until("the new model", new_model_judged)
    verdicts = running.verdicts()
    assert {v.verdict for v in verdicts} == {"ok"}
    assert [v.part.part_number for v in verdicts] == list(range(1, len(verdicts) + 1))
    assert before.models[0].digest != digest


def test_a_model_damaged_in_the_store_is_not_served(bench: InferenceUnderTest) -> None:
    folder = find_model(bench.store, "surface")
    content = bytearray((folder / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.onnx").write_bytes(content)
    bench.start(wait_for_models=False)
    bench.run_until("the fault", lambda: len(bench.health.build_report().faults) == 1)
    assert "damaged" in bench.health.build_report().faults[0].text
    assert bench.judge(1).verdict == "missed"


def test_an_error_that_nobody_foresaw_is_a_refusal_and_the_next_model_is_looked_at(
    running: InferenceUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = running.judge(1)

    def fail(*_: object) -> None:
        raise RuntimeError("the runtime is out of sorts")

    monkeypatch.setattr("inference.models.model_loader.open_detector", fail)
    put(running.store, damaged_model(running, "nothing"), "surface")
    running.run_until("the refusal", lambda: len(running.health.build_report().faults) == 1)
    [fault] = running.health.build_report().faults
    assert fault.text == "RuntimeError: the runtime is out of sorts"
    assert running.judge(2).models == before.models
    monkeypatch.undo()
    good = write_model(running.folder / "b", "surface", "scratch", RED, sharpness=0.3)
    digest = put(running.store, good, "surface")
    numbers = iter(range(3, 10_000))
    running.run_until(
        "the next model", lambda: running.judge(next(numbers)).models[0].digest == digest
    )
    assert running.health.build_report().faults == ()
