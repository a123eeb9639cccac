"""What a loader that was replaced says counts no longer, whatever it has put into the inbox."""

import time
from dataclasses import replace

import msgspec
import pytest

from inference.models.model_loader import ModelBuildProgress, ModelLoaded, ModelLoader, ModelRefused
from sightline.kernel.component import NewConfiguration
from sightline.storage.model_store import point_name_to
from tests.unit.inference.conftest import InferenceUnderTest
from tests.unit.inference.small_models import put
from tests.unit.inference.test_model_trials import blind_model, try_on


def event_of(bench: InferenceUnderTest, digest: str) -> ModelLoaded:
    """The loader's word that this model is ready, taken out of the inbox before it is handled."""
    assert bench.inspector is not None
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        event = bench.inbox.next_event(0.05)
        if isinstance(event, ModelLoaded) and event.proven_model.digest == digest:
            return event
        if event is not None:
            bench.inspector.handle(event)
    pytest.fail("the loader says nothing")


def pin(bench: InferenceUnderTest, digest: str) -> None:
    """A deployment that allows this file only."""
    assert bench.inspector is not None
    pinned = tuple(
        msgspec.structs.replace(model, digest=digest if model.name == "surface" else "")
        for model in bench.configuration.models
    )
    bench.configuration = msgspec.structs.replace(bench.configuration, models=pinned)
    bench.inspector.handle(NewConfiguration(bench.configuration))


def test_a_model_that_was_ready_before_another_one_was_pinned_judges_nothing(
    running: InferenceUnderTest,
) -> None:
    good = running.judge(1).models[0].digest
    try_on(running, parts=0)
    blind = put(running.store, blind_model(running), "surface")
    ready = event_of(running, blind)
    pin(running, good)
    assert running.inspector is not None
    running.inspector.handle(ready)
    verdict = running.judge(2, scratches=("cam2",))
    assert verdict.models[0].digest == good
    assert verdict.verdict == "defect"


def test_a_model_whose_component_was_rolled_back_before_it_judged_judges_nothing(
    running: InferenceUnderTest,
) -> None:
    good = running.judge(1).models[0].digest
    try_on(running, parts=0)
    blind = put(running.store, blind_model(running), "surface")
    ready = event_of(running, blind)
    point_name_to(running.store, "surface", good)
    assert running.inspector is not None
    running.inspector.handle(NewConfiguration(running.configuration))
    running.inspector.handle(ready)
    assert running.judge(2, scratches=("cam2",)).models[0].digest == good


def test_a_pinned_model_is_that_file_and_no_other_even_of_the_loader_in_force(
    running: InferenceUnderTest,
) -> None:
    good = running.judge(1).models[0].digest
    try_on(running, parts=0)
    blind = put(running.store, blind_model(running), "surface")
    ready = event_of(running, blind)
    pin(running, good)
    assert running.inspector is not None
    loader = running.inspector._models._loader_number
    running.inspector.handle(replace(ready, loader_number=loader))
    assert running.judge(2).models[0].digest == good


def test_a_refusal_or_progress_of_a_loader_that_was_replaced_is_no_news(
    running: InferenceUnderTest,
) -> None:
    assert running.inspector is not None
    running.inspector.handle(ModelRefused("surface", "broken", loader_number=-1))
    running.inspector.handle(ModelBuildProgress("surface", 0.5, loader_number=-1))
    report = running.health.build_report()
    assert report.faults == ()
    assert "building_surface" not in report.gauges
    assert "models_refused" not in report.counters


def test_a_loader_whose_work_fails_is_a_fault_and_looks_again(
    bench: InferenceUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = ModelLoader._check_model
    failures = iter([True, False])

    def fail_once(loader: ModelLoader, model: object) -> None:
        if next(failures, False):
            raise RuntimeError("nobody foresaw this")
        look(loader, model)  # type: ignore[arg-type]

    monkeypatch.setattr(ModelLoader, "_check_model", fail_once)
    bench.start(wait_for_models=False)

    def told() -> bool:
        return any(
            fault.code == "thread-model-loader" for fault in bench.health.build_report().faults
        )

    bench.run_until("the fault", told)
    assert not bench.health.build_report().ready
    assert bench.inspector is not None
    bench.run_until("the models", lambda: not bench.inspector._models.missing_models())  # type: ignore[union-attr]
    assert bench.judge(1).verdict == "ok"
