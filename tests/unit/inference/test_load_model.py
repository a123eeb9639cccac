"""The command `load_model`: another model of the store serves, and what became of it is told for sure."""

import shutil

import pytest

from sightline.storage.model_store import load_named_digest
from tests.unit.inference.conftest import InferenceUnderTest
from tests.unit.inference.small_models import put
from tests.unit.inference.test_model_trials import Line, blind_model, try_on


@pytest.fixture
def judging(running: InferenceUnderTest) -> Line:
    return Line(running)


def load_model(
    bench: InferenceUnderTest, command_id: str, lifetime_s: int = 60, /, **arguments: str
) -> None:
    """The command as the publisher tells it."""
    bench.send_command(command_id, "load_model", arguments, lifetime_s)


def test_a_command_brings_a_model_of_the_store_into_force_also_after_a_restart(
    judging: Line,
) -> None:
    bench = judging.bench
    try_on(bench, parts=2)
    old = judging.judge().models[0].digest
    blind = put(bench.store, blind_model(bench), "spare")
    load_model(bench, "c-1", model="surface", digest=blind[:12])
    judging.run_until_digest(blind)
    [answer] = bench.command_replies()
    assert (answer.command_id, answer.result) == ("c-1", "done")
    assert "2 parts compared, 2 with another verdict" in answer.reason
    bench.run_until("the choice", lambda: load_named_digest(bench.store, "surface") == blind)
    bench.stop()
    bench.start()
    assert judging.judge().models[0].digest == blind != old


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"model": "surface", "digest": "0123456789"}, "0 models in the store"),
        ({"model": "surface", "digest": "../../names"}, "hexadecimal"),
        ({"model": "other", "digest": "0123456789"}, "configured are surface, cap"),
        ({"model": "surface"}, "needs 'model'"),
        ({"model": "surface", "digest": "0123456789", "force": "yes"}, "unknown field `force`"),
    ],
)
def test_a_command_that_cannot_be_carried_out_says_why_and_changes_nothing(
    judging: Line, arguments: dict[str, str], words: str
) -> None:
    bench = judging.bench
    before = judging.judge()
    load_model(bench, "c-2", **arguments)
    bench.run_until("the answer", lambda: bool(bench.command_replies()))
    [answer] = bench.command_replies()
    assert answer.result == "refused"
    assert words in answer.reason
    assert judging.judge().models == before.models


def test_a_command_outlasts_a_new_configuration_and_is_answered_each_time_it_is_told(
    judging: Line,
) -> None:
    bench = judging.bench
    try_on(bench, parts=5)
    judging.judge()
    blind = put(bench.store, blind_model(bench), "spare")
    load_model(bench, "c-6", model="surface", digest=blind)
    inspector = bench.inspector
    assert inspector is not None
    bench.run_until("the trial", inspector._models.accepts_sample)
    judging.judge()
    judging.judge()
    load_model(bench, "c-6", model="surface", digest=blind)
    try_on(bench, parts=5)
    assert bench.command_replies() == []
    judging.run_until_digest(blind)
    [answer] = bench.command_replies()
    assert (answer.command_id, answer.result) == ("c-6", "done")
    assert "5 parts compared" in answer.reason
    load_model(bench, "c-6", model="surface", digest=blind)
    assert bench.command_replies() == [answer, answer]
    bench.stop()
    bench.start()
    load_model(bench, "c-6", model="surface", digest=blind)
    assert bench.command_replies() == [answer, answer, answer]


def test_a_command_told_after_its_end_is_refused(judging: Line) -> None:
    bench = judging.bench
    blind = put(bench.store, blind_model(bench), "spare")
    load_model(bench, "c-7", -1, model="surface", digest=blind)
    [answer] = bench.command_replies()
    assert answer.result == "refused"
    assert "Command expired" in answer.reason


def test_a_command_for_a_broken_model_leaves_the_name_where_it_points(judging: Line) -> None:
    bench = judging.bench
    old = judging.judge().models[0].digest
    broken = blind_model(bench)
    (broken / "golden.npz").unlink()
    digest = put(bench.store, broken, "spare")
    load_model(bench, "c-3", model="surface", digest=digest)
    bench.run_until("the answer", lambda: bool(bench.command_replies()))
    assert "no golden frames" in bench.command_replies()[0].reason
    assert load_named_digest(bench.store, "surface") == old


def test_a_command_told_again_while_it_waits_is_carried_out_once(judging: Line) -> None:
    bench = judging.bench
    broken = blind_model(bench)
    (broken / "golden.npz").unlink()
    digest = put(bench.store, broken, "spare")
    for _ in range(3):
        load_model(bench, "c-8", model="surface", digest=digest)
    bench.run_until("the answer", lambda: bool(bench.command_replies()))
    load_model(bench, "c-9", model="surface", digest=digest)
    bench.run_until("the next answer", lambda: len(bench.command_replies()) == 2)
    assert bench.health.build_report().counters["models_refused"] == 2


def test_a_disk_that_takes_nothing_keeps_a_new_model_out_and_the_next_order_is_carried_out(
    judging: Line,
) -> None:
    bench = judging.bench
    try_on(bench, parts=0)
    old = judging.judge().models[0].digest
    memory = bench.folder / "models-in-force"
    shutil.rmtree(memory)
    memory.write_text("no folder")
    blind = put(bench.store, blind_model(bench), "spare")
    load_model(bench, "c-4", model="surface", digest=blind)
    bench.run_until("the refusal", lambda: bool(bench.command_replies()))
    assert bench.command_replies()[0].result == "refused"
    assert judging.judge().models[0].digest == old
    memory.unlink()
    load_model(bench, "c-5", model="surface", digest=blind)
    judging.run_until_digest(blind)
