"""A new model is tried beside the one in force, on parts that pass, before it judges any."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from inference.configuration import ModelConfiguration, ShadowConfiguration
from inference.models.shadow_trial import ShadowTrial, TrialSample
from sightline.errors import ModelError
from sightline.kernel.component import NewConfiguration
from sightline.messaging.messages import Part, PartJudged
from sightline.vision.model_outputs import ServingModel
from sightline.vision.onnx_detector import OnnxDetector
from sightline.vision.part_judging import ReasonedVerdict
from sightline.vision.preprocess import FramePyramid
from tests.unit.inference.conftest import CAMERAS, InferenceUnderTest, frame_with
from tests.unit.inference.small_models import RED, put, write_model
from tests.unit.inference.test_products_and_challenges import deploy, judge

BLUE = 2


@pytest.fixture
def judging(running: InferenceUnderTest) -> "Line":
    return Line(running)


class Line:
    """Parts that pass one after the other, each with a scratch on cam2."""

    def __init__(self, bench: InferenceUnderTest) -> None:
        self.bench = bench
        self.numbers: Iterator[int] = iter(range(1, 100_000))

    def judge(self) -> PartJudged:
        return self.bench.judge(next(self.numbers), scratches=("cam2",))

    def run_until_digest(self, digest: str) -> list[PartJudged]:
        """Let parts pass until this surface model judges; all verdicts."""
        self.bench.run_until("the new model", lambda: self.judge().models[0].digest == digest)
        return self.bench.verdicts()


def blind_model(bench: InferenceUnderTest) -> Path:
    """A surface model that sees scratches where blue is: it misses the red ones."""
    return write_model(bench.folder / "blind", "surface", "scratch", BLUE, sharpness=0.3)


def try_on(bench: InferenceUnderTest, **shadow: float) -> None:
    """Configure the trial."""
    bench.configuration = msgspec.structs.replace(
        bench.configuration,
        shadow=ShadowConfiguration(**shadow),  # type: ignore[arg-type]
    )
    if bench.inspector is not None:
        bench.inspector.handle(NewConfiguration(bench.configuration))


def test_a_new_model_sees_as_many_parts_in_the_shadow_as_configured_before_it_judges(
    judging: Line,
) -> None:
    bench = judging.bench
    try_on(bench, parts=7)
    before = judging.judge()
    sharper = write_model(bench.folder / "sharper", "surface", "scratch", RED, sharpness=0.3)
    verdicts = judging.run_until_digest(put(bench.store, sharper, "surface"))
    old = [v for v in verdicts if v.models[0].digest == before.models[0].digest]
    assert len(old) >= 7
    assert {v.verdict for v in verdicts} == {"defect"}
    counters = bench.health.build_report().counters
    assert (counters["shadow_parts"], counters["shadow_verdicts_differ"]) == (7, 0)
    assert counters["models_swapped"] == 1


def test_where_the_two_models_differ_is_reported_and_the_old_one_judges_meanwhile(
    judging: Line,
) -> None:
    bench = judging.bench
    try_on(bench, parts=3)
    judging.judge()
    digest = put(bench.store, blind_model(bench), "surface")
    verdicts = judging.run_until_digest(digest)
    assert [v.verdict for v in verdicts if v.models[0].digest != digest] == ["defect"] * (
        len(verdicts) - 1
    )
    report = bench.health.build_report()
    assert report.counters["shadow_verdicts_differ"] == 3
    assert report.gauges["shadow_greatest_score_difference"] > 0.5


def test_a_model_that_judges_too_many_parts_otherwise_is_refused(judging: Line) -> None:
    bench = judging.bench
    try_on(bench, parts=3, max_differing_share=0.5)
    before = judging.judge()
    put(bench.store, blind_model(bench), "surface")

    def refused() -> bool:
        judging.judge()
        return bool(bench.health.build_report().faults)

    bench.run_until("the refusal", refused)
    [fault] = bench.health.build_report().faults
    assert "differs too much" in fault.text
    assert "defect becomes" in fault.text
    assert judging.judge().models == before.models


def trial_of(tmp_path: Path, **how: float) -> ShadowTrial:
    """A trial that was offered one part of one frame."""
    folder = write_model(tmp_path, "surface", "scratch", RED)
    trial = ShadowTrial(
        ServingModel(OnnxDetector(folder, 1)), "surface", ShadowConfiguration(parts=1)
    )
    frames = {"cam1": FramePyramid(frame_with(True, True))}
    ok = ReasonedVerdict("ok", "", True, False)
    trial.offer_sample(TrialSample(Part(1, 1), frames, (), "ok", lambda *_: ok, 0.2, **how))  # type: ignore[arg-type]
    return trial


def test_a_model_is_not_too_slow_that_is_in_time_with_several_images_at_once(
    tmp_path: Path,
) -> None:
    trial = trial_of(tmp_path, available_ms=0.001, images_at_once=1_000_000)
    assert trial.run(lambda: False).parts == 1


def test_a_model_too_slow_for_the_gate_is_refused(tmp_path: Path) -> None:
    trial = trial_of(tmp_path, available_ms=0.001)
    with pytest.raises(ModelError, match="too slow"):
        trial.run(lambda: False)


def test_at_a_line_that_rests_the_new_model_serves_after_a_while(judging: Line) -> None:
    bench = judging.bench
    try_on(bench, parts=5, max_wait_s=0.3)
    judging.judge()
    digest = put(bench.store, blind_model(bench), "surface")
    bench.run_until("the swap", lambda: "models_swapped" in bench.health.build_report().counters)
    assert judging.judge().models[0].digest == digest
    assert bench.health.build_report().counters["shadow_parts"] == 0


def test_a_configuration_that_names_another_model_leaves_the_old_one_until_that_is_proven(
    judging: Line,
) -> None:
    bench = judging.bench
    before = judging.judge()
    second = ModelConfiguration(name="surface-2")
    bench.configuration = msgspec.structs.replace(
        bench.configuration, models=(second, bench.configuration.models[1])
    )
    try_on(bench, parts=2)
    bench.run_until("the fault", lambda: bool(bench.health.build_report().faults))
    assert judging.judge().models == before.models
    digest = put(bench.store, blind_model(bench), "surface-2")
    judging.run_until_digest(digest)
    assert bench.health.build_report().counters["shadow_parts"] == 2
    assert bench.health.build_report().faults == ()


def test_a_form_in_another_precision_serves_under_the_model_s_name(judging: Line) -> None:
    bench = judging.bench
    judging.judge()
    form = ModelConfiguration(name="surface", precision="int8")
    bench.configuration = msgspec.structs.replace(
        bench.configuration, models=(form, bench.configuration.models[1])
    )
    digest = put(bench.store, blind_model(bench), "surface-int8")
    try_on(bench, parts=2)
    judging.run_until_digest(digest)
    assert bench.health.build_report().counters["shadow_parts"] == 2


def test_a_model_that_replaces_none_has_no_trial_to_wait_for(judging: Line) -> None:
    bench = judging.bench
    judging.judge()
    put(bench.store, blind_model(bench), "second-look")
    models = (*bench.configuration.models, ModelConfiguration(name="second-look"))
    bench.configuration = msgspec.structs.replace(bench.configuration, models=models)
    try_on(bench, parts=5, max_wait_s=600)
    bench.run_until("three models", lambda: len(judging.judge().models) == 3)
    assert "shadow_parts" not in bench.health.build_report().counters


def test_after_a_restart_the_last_good_model_serves_while_the_store_names_a_broken_one(
    judging: Line,
) -> None:
    bench = judging.bench
    old = judging.judge().models[0].digest
    bench.stop()
    broken = blind_model(bench)
    (broken / "model.onnx").write_bytes(b"this is no model")
    put(bench.store, broken, "surface")
    bench.start()
    assert judging.judge().models[0].digest == old
    bench.run_until("the fault", lambda: bool(bench.health.build_report().faults))
    assert "cannot be loaded as a model" in bench.health.build_report().faults[0].text
    shutil.rmtree(bench.store / old)


def test_a_model_that_finds_the_same_is_judged_alike_where_sizes_are_accepted(
    bench: InferenceUnderTest,
) -> None:
    deploy(
        bench,
        "big",
        defects={"scratch": {"maxOkMm": 50}},
        mmPerPixel=dict.fromkeys(CAMERAS, 0.1),
    )
    bench.start()
    try_on(bench, parts=3, max_differing_share=0.1)
    assert judge(bench, 1, "big").verdict == "ok"
    same = write_model(bench.folder / "same", "surface", "scratch", RED, sharpness=0.21)
    digest = put(bench.store, same, "surface")
    numbers = iter(range(2, 100_000))
    bench.run_until(
        "it serves", lambda: judge(bench, next(numbers), "big").models[0].digest == digest
    )
    assert bench.health.build_report().faults == ()


GARBLED = [b"\xff\xfe\x00", b"", b"no digest", b"9" * 10_000]


@pytest.mark.parametrize("content", GARBLED, ids=range(len(GARBLED)))
def test_what_served_last_serves_whatever_became_of_the_note_of_it(
    running: InferenceUnderTest, content: bytes
) -> None:
    running.stop()
    (running.folder / "models-in-force" / "surface").write_bytes(content)
    running.start()
    assert running.judge(1).verdict == "ok"
    assert running.health.build_report().faults == ()


def test_a_note_that_is_a_folder_keeps_no_model_from_serving(running: InferenceUnderTest) -> None:
    running.stop()
    note = running.folder / "models-in-force" / "surface"
    note.unlink()
    note.mkdir()
    running.start()
    assert running.judge(1).verdict == "ok"


@pytest.mark.parametrize("content", GARBLED, ids=range(len(GARBLED)))
def test_where_the_name_of_a_model_cannot_be_read_the_last_one_serves_and_that_is_told(
    running: InferenceUnderTest, content: bytes
) -> None:
    running.stop()
    (running.store / "names" / "surface").write_bytes(content)
    running.start()
    running.run_until("the fault", lambda: bool(running.health.build_report().faults))
    assert [fault.code for fault in running.health.build_report().faults] == ["model-surface"]
    assert running.judge(1).verdict == "ok"
