"""Inference judges by the product in the message, and holds back what a passed challenge puts in doubt."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from inference.configuration import ChallengeConfiguration
from inference.judging.part_judge import STRANGE_SHAPE_FAULT, UNFINDABLE_FAULT
from inference.ledger.state_store import ProductThresholds
from inference.verdicts.challenge_tracker import HOLD_FAULT, OVERDUE_FAULT
from sightline.messaging.messages import (
    CommandArgument,
    CommandCarriedOut,
    CommandKind,
    Part,
    PartJudged,
)
from sightline.messaging.topics import PART_CAPTURED
from sightline.storage.product_store import PRODUCT_FILE, store_product
from sightline.storage.products import LabelTiers, VerdictPolicy, parse_tiers
from sightline.vision.threshold_basis import judge_by_basis
from tests.unit.inference.conftest import EPOCH, InferenceUnderTest
from tests.unit.inference.small_models import GREEN, RED, put, write_model

LENIENT: dict[str, object] = {"scratch": {"maxOkCount": 4}}


def deploy(bench: InferenceUnderTest, name: str, version: str = "1", **more: object) -> None:
    """A product's component puts its recipe into the station's store."""
    folder = bench.folder / f"{name}-{version}"
    folder.mkdir(exist_ok=True)
    labels: dict[str, object] = {"productLabels": ["cap_present"], "defects": {"scratch": {}}}
    labels["models"] = ["surface", "cap"]
    content = {"name": name, "version": version, **labels, **more}
    (folder / PRODUCT_FILE).write_text(json.dumps(content))
    store_product(folder / PRODUCT_FILE, bench.store.parent / "products")


def judge(
    bench: InferenceUnderTest, number: int, product: str = "", version: str = "1", **more: object
) -> PartJudged:
    """The verdict on a part of a product, with a scratch on cam1."""
    challenge = str(more.pop("challenge", ""))
    captured = bench.capture(number, **{"scratches": ("cam1",), **more})  # type: ignore[arg-type]
    named = replace(captured, product=product, product_version=version, challenge=challenge)
    bench.deliver(PART_CAPTURED, named)
    return bench.verdicts()[-1]


def command(
    bench: InferenceUnderTest, command_id: str, kind: CommandKind, **arguments: CommandArgument
) -> CommandCarriedOut:
    """What inference answers to a command."""
    bench.send_command(command_id, kind, arguments)
    return bench.command_replies()[-1]


def faults(bench: InferenceUnderTest) -> dict[str, str]:
    return {fault.code: fault.text for fault in bench.health.build_report().faults}


@pytest.fixture
def two_products(bench: InferenceUnderTest) -> InferenceUnderTest:
    """Inference with a strict and a lenient product."""
    deploy(bench, "strict")
    deploy(bench, "lenient", version="7", defects=LENIENT)
    surface = write_model(bench.folder / "unsure", "surface", "scratch", RED, sharpness=0.02)
    put(bench.store, surface, "surface")
    bench.start()
    return bench


def test_where_each_trigger_is_a_part_a_clean_picture_is_ok_and_a_defect_is_one(
    bench: InferenceUnderTest,
) -> None:
    deploy(bench, "sheet", presence="always", productLabels=[])
    bench.start()
    nothing: dict[str, Any] = {"caps": (), "scratches": ()}
    told = [
        judge(bench, 1, "sheet", **nothing),
        judge(bench, 2, "sheet", caps=()),
        judge(bench, 3, "sheet", **nothing, cameras=("cam1", "cam2", "cam3")),
        judge(bench, 4, "sheet", **nothing, dark=("cam2",)),
    ]
    assert [verdict.verdict for verdict in told] == ["ok", "defect", "review", "review"]
    assert all(verdict.product_detected for verdict in told)
    assert {(verdict.presence, verdict.policy_version) for verdict in told} == {("always", "1")}


def test_labels_that_show_the_product_and_no_model_finds_are_a_fault_and_never_ok(
    bench: InferenceUnderTest,
) -> None:
    deploy(bench, "sheet", productLabels=["sheet_metal"])
    bench.start()
    verdict = judge(bench, 1, "sheet", scratches=())
    assert (verdict.verdict, "no model finds sheet_metal" in verdict.reason) == ("review", True)
    assert "sheet_metal" in faults(bench)[UNFINDABLE_FAULT]


@pytest.mark.parametrize(
    ("shapes", "verdict"),
    [((1.0, 1.0), "review"), ((1.6, 1.7), "ok"), ((1.55, 1.55), "ok"), (None, "ok")],
)
def test_pictures_of_another_shape_than_in_training_are_never_ok(
    bench: InferenceUnderTest, shapes: tuple[float, float] | None, verdict: str
) -> None:
    surface = write_model(bench.folder / "s", "plan", "scratch", RED, picture_shapes=shapes)
    put(bench.store, surface, "surface")  # the bench's frames are 320x192
    bench.start()
    found = judge(bench, 1, scratches=())
    assert found.verdict == verdict
    if verdict == "review":
        assert "not the shape that surface was trained on" in found.reason
        assert "cam1 320x192 (surface)" in faults(bench)[STRANGE_SHAPE_FAULT]
    assert [use.name for use in found.models] == ["surface", "cap"]  # not the plan's name
    assert judge(bench, 2).verdict == "defect"


def test_a_station_that_names_no_model_has_those_of_its_products(bench: InferenceUnderTest) -> None:
    deploy(bench, "strict", models=["surface", "cap"])
    bench.configuration = replace(bench.configuration, models=())
    bench.start()  # until it is ready
    assert judge(bench, 1, "strict").verdict == "defect"
    assert [use.name for use in judge(bench, 2, "strict").models] == ["surface", "cap"]


def test_a_station_policy_that_can_say_no_ok_says_so_with_each_part(
    bench: InferenceUnderTest,
) -> None:
    policy = VerdictPolicy(defects={"scratch": LabelTiers()}, product_labels=())
    bench.configuration = replace(bench.configuration, policy=policy)
    bench.start()
    verdict = judge(bench, 1, scratches=())
    assert (verdict.verdict, "no part could be ok" in verdict.reason) == ("review", True)
    everything = replace(policy, defects={}, presence="always")
    bench.configuration = replace(bench.configuration, policy=everything)
    bench.stop()
    bench.start()
    assert judge(bench, 2, scratches=()).verdict == "review"


def test_each_part_is_judged_by_the_product_that_its_message_names(
    two_products: InferenceUnderTest,
) -> None:
    bench = two_products
    told = [judge(bench, 1, "strict"), judge(bench, 2, "lenient", "7"), judge(bench, 3, "strict")]
    assert [verdict.verdict for verdict in told] == ["defect", "ok", "defect"]
    assert [verdict.policy_version for verdict in told] == ["1", "7", "1"]
    assert [verdict.product for verdict in told] == ["strict", "lenient", "strict"]


@pytest.mark.parametrize(("product", "version"), [("can", "1"), ("lenient", "8")])
def test_a_part_of_an_unknown_product_is_never_ok_and_the_next_one_is_judged_as_ever(
    two_products: InferenceUnderTest, product: str, version: str
) -> None:
    verdict = judge(two_products, 1, product, version, scratches=())
    assert verdict.verdict == "review"
    assert f"the product {product} version {version} is not known" in verdict.reason
    assert verdict.policy_version == ""
    assert judge(two_products, 2, "lenient", "7").verdict == "ok"


def test_a_new_version_is_judged_by_from_the_part_on_that_names_it(
    two_products: InferenceUnderTest,
) -> None:
    bench = two_products
    assert judge(bench, 1, "lenient", "7").verdict == "ok"
    deploy(bench, "lenient", version="8")
    assert judge(bench, 2, "lenient", "8").verdict == "defect"
    assert judge(bench, 3, "lenient", "7").verdict == "ok"


def test_parts_of_a_product_wait_for_its_models_and_all_others_do_not(
    bench: InferenceUnderTest,
) -> None:
    deploy(bench, "strict")
    deploy(bench, "shiny", models=["shine"])
    bench.start()
    missed = judge(bench, 1, "shiny")
    assert (missed.verdict, missed.reason) == ("missed", "no model shine")
    assert (missed.product, missed.policy_version) == ("shiny", "1")
    assert judge(bench, 2, "strict").verdict == "defect"
    put(bench.store, write_model(bench.folder / "m3", "shine", "cap_present", GREEN), "shine")
    count = iter(range(3, 1000))
    bench.run_until(
        "the model serves", lambda: judge(bench, next(count), "shiny").verdict != "missed"
    )
    last = bench.verdicts()[-1]
    assert last.verdict == "review"  # nothing in it sees scratches, so nobody knows
    assert "no model finds scratch" in last.reason
    assert "scratch" in faults(bench)["labels-without-model"]
    assert [model.name for model in last.models] == ["shine"]


def test_a_product_whose_part_comes_before_anyone_looked_for_it_gets_its_models(
    bench: InferenceUnderTest,
) -> None:
    bench.start()
    put(bench.store, write_model(bench.folder / "m3", "shine", "cap_present", GREEN), "shine")
    deploy(bench, "shiny", models=["shine"])
    assert judge(bench, 1, "shiny").reason == "no model shine"  # the part made the store be read
    count = iter(range(2, 1000))
    bench.run_until(
        "the model serves", lambda: judge(bench, next(count), "shiny").verdict != "missed"
    )


def test_a_threshold_is_in_force_from_the_next_part_on_and_outlasts_a_kill(
    two_products: InferenceUnderTest,
) -> None:
    bench = two_products
    found = judge(bench, 1, "strict")
    assert found.verdict == "defect"
    above = max(f.score for f in found.detections if f.label == "scratch") + 0.001
    answer = command(
        bench, "c-1", "set_threshold", product="strict", label="scratch", reject=above, review=above
    )
    assert (answer.result, answer.reason) == ("done", "strict is version 1+1")
    assert answer.from_part == Part(EPOCH, 2)
    verdict = judge(bench, 2, "strict")
    assert (verdict.verdict, verdict.policy_version) == ("ok", "1+1")
    bench.start()  # the process before it was killed: nothing was closed
    again = command(bench, "c-1", "set_threshold", product="strict", label="scratch", reject=0.6)
    assert again == answer
    verdict = judge(bench, 3, "strict")
    assert (verdict.verdict, verdict.policy_version) == ("ok", "1+1")
    assert judge(bench, 4, "lenient", "7").policy_version == "7"


def test_the_thresholds_in_force_and_the_scores_that_decide_are_told(
    two_products: InferenceUnderTest,
) -> None:
    bench = two_products
    found = judge(bench, 1, "strict")
    assert found.threshold_basis is not None
    assert found.threshold_basis.scores == {
        "scratch": max(f.score for f in found.detections if f.label == "scratch")
    }
    assert found.threshold_basis.otherwise == "ok"

    def in_force() -> LabelTiers:
        assert bench.inspector is not None
        bench.inspector.refresh_products()
        told = parse_tiers(bench.health.build_report().facts["thresholds"])
        return told["strict"][1]["scratch"]

    now = in_force()
    assert judge_by_basis(found.threshold_basis, {"scratch": now}) == "defect"
    command(bench, "c-1", "set_threshold", product="strict", label="scratch", reject=1.0)
    assert in_force() == replace(now, reject=1.0)
    foretold = judge_by_basis(found.threshold_basis, {"scratch": in_force()})
    assert judge(bench, 2, "strict").verdict == foretold == "review"


def test_a_wrong_threshold_is_refused_once_and_nothing_changes(
    two_products: InferenceUnderTest,
) -> None:
    bench = two_products
    wrong = command(bench, "c-1", "set_threshold", product="strict", label="scratch", reject=1.5)
    assert wrong.result == "refused"
    assert "at /reject: Expected `float` <= 1.0; found 1.5" in wrong.reason
    assert command(bench, "c-2", "set_threshold", product="can", label="x").reason.endswith(
        "it has lenient, strict"
    )
    assert judge(bench, 1, "strict").policy_version == "1"


def test_a_challenge_that_is_found_is_no_more_than_that(two_products: InferenceUnderTest) -> None:
    verdict = judge(two_products, 1, "strict", challenge="scratch")
    assert (verdict.verdict, verdict.challenge_result) == ("defect", "found")
    assert (verdict.hold, verdict.held_back) == ("", None)
    assert HOLD_FAULT not in faults(two_products)


def test_a_challenge_rejected_for_something_else_proves_nothing(
    two_products: InferenceUnderTest,
) -> None:
    other = judge(two_products, 1, "strict", challenge="dent")
    dark = judge(two_products, 2, "lenient", "7", challenge="scratch", dark=("cam1",))
    assert [other.challenge_result, dark.challenge_result] == ["undecided", "undecided"]


def test_a_challenge_that_passes_holds_back_all_since_the_last_that_was_found(
    two_products: InferenceUnderTest,
) -> None:
    bench = two_products
    judge(bench, 1, "strict", challenge="scratch")
    judge(bench, 2, "strict", scratches=())
    passed = judge(bench, 3, "lenient", "7", challenge="scratch")
    assert (passed.verdict, passed.challenge_result) == ("ok", "passed")
    assert passed.hold == f"{EPOCH}-3"
    assert passed.held_back is not None
    assert (passed.held_back.first, passed.held_back.last) == (Part(EPOCH, 2), Part(EPOCH, 3))
    assert f"all parts from {EPOCH}-2 on are on hold" in faults(bench)[HOLD_FAULT]


def test_while_something_is_held_back_no_part_is_ok_until_a_person_acknowledges_it(
    two_products: InferenceUnderTest,
) -> None:
    bench = two_products
    judge(bench, 1, "lenient", "7", challenge="scratch")
    held = judge(bench, 2, "strict", scratches=())
    assert (held.verdict, held.hold) == ("review", f"{EPOCH}-1")
    assert "nobody has released the hold" in held.reason
    assert judge(bench, 3, "strict").verdict == "defect"
    bench.start()  # the process before it was killed
    assert HOLD_FAULT in faults(bench)
    assert judge(bench, 4, "strict", scratches=()).verdict == "review"
    wrong = command(bench, "c-1", "acknowledge_hold", hold="1-1")
    assert wrong.reason == f"no hold 1-1 is open; open are {EPOCH}-1"
    done = command(bench, "c-2", "acknowledge_hold", hold=f"{EPOCH}-1")
    assert (done.result, done.from_part) == ("done", Part(EPOCH, 5))
    after = judge(bench, 5, "strict", scratches=())
    assert (after.verdict, after.hold) == ("ok", "")
    assert HOLD_FAULT not in faults(bench)
    assert command(bench, "c-3", "acknowledge_hold").reason == "no hold is open"
    bench.start()
    assert judge(bench, 6, "strict", scratches=()).verdict == "ok"


def test_a_person_frees_only_the_hold_that_he_names_and_one_that_came_later_stays(
    two_products: InferenceUnderTest,
) -> None:
    bench = two_products
    first = judge(bench, 1, "lenient", "7", challenge="scratch").hold
    second = judge(bench, 2, "lenient", "7", challenge="scratch").held_back
    assert second is not None
    assert faults(bench)[HOLD_FAULT].index(first) < faults(bench)[HOLD_FAULT].index(second.hold)
    assert bench.health.build_report().facts["holds"] == f"{first}, {second.hold}"
    unnamed = command(bench, "c-0", "acknowledge_hold")
    assert unnamed.result == "refused"
    assert f"open are {first}, {second.hold}" in unnamed.reason
    done = command(bench, "c-1", "acknowledge_hold", hold=first)
    assert done.reason == f"released hold {first}; still open are {second.hold}"
    part = judge(bench, 3, "strict", scratches=())
    assert (part.verdict, part.hold) == ("review", second.hold)
    bench.start()
    assert judge(bench, 4, "strict", scratches=()).hold == second.hold
    command(bench, "c-2", "acknowledge_hold", hold=second.hold)
    assert judge(bench, 5, "strict", scratches=()).verdict == "ok"


@pytest.mark.parametrize("challenge", ["scratch", "cap_present"])
def test_a_label_that_did_not_close_the_gate_is_not_found(
    bench: InferenceUnderTest, challenge: str
) -> None:
    """The part is rejected for its dent; its scratch only asks for review, its cap is no defect."""
    deploy(
        bench,
        "both",
        defects={"dent": {}, "scratch": {"reject": 1.0, "review": 0.3}},
        models=["surface", "cap", "dents"],
    )
    put(bench.store, write_model(bench.folder / "m3", "dents", "dent", RED), "dents")
    surface = write_model(bench.folder / "unsure", "surface", "scratch", RED, sharpness=0.02)
    put(bench.store, surface, "surface")
    bench.start()
    count = iter(range(1, 1000))
    bench.run_until(
        "the models serve", lambda: judge(bench, next(count), "both").verdict != "missed"
    )
    verdict = judge(bench, next(count), "both", challenge=challenge)
    assert verdict.verdict == "defect"
    assert {"dent", "scratch"} <= {found.label for found in verdict.detections}
    assert verdict.challenge_result == "undecided"
    assert judge(bench, next(count), "both", challenge="dent").challenge_result == "found"


def test_the_gate_stays_open_where_the_station_is_configured_so(
    two_products: InferenceUnderTest,
) -> None:
    bench = two_products
    bench.configuration = replace(
        bench.configuration, challenge=ChallengeConfiguration(closes_gate=False)
    )
    bench.start()
    judge(bench, 1, "lenient", "7", challenge="scratch")
    part = judge(bench, 2, "strict", scratches=())
    assert (part.verdict, part.hold) == ("ok", f"{EPOCH}-1")


def test_a_shift_without_a_challenge_that_was_found_is_a_warning(
    two_products: InferenceUnderTest,
) -> None:
    bench = two_products
    bench.configuration = replace(
        bench.configuration, challenge=ChallengeConfiguration(each_h=1e-6)
    )
    bench.start()
    tick_until(bench, "it is due", lambda: OVERDUE_FAULT in faults(bench))
    assert "no challenge part has been detected yet" in faults(bench)[OVERDUE_FAULT]
    bench.configuration = replace(bench.configuration, challenge=ChallengeConfiguration(each_h=8))
    bench.start()
    judge(bench, 1, "strict", challenge="scratch")
    tick_until(bench, "it is not due", lambda: OVERDUE_FAULT not in faults(bench))


def tick_until(bench: InferenceUnderTest, what: str, holds: Callable[[], bool]) -> None:
    """Let the component's loop run until a condition holds."""
    started_s = time.monotonic()
    bench.run_until(what, lambda: time.monotonic() > started_s and holds())


def test_a_product_whose_file_is_damaged_is_told_and_its_last_good_version_judges_on(
    two_products: InferenceUnderTest,
) -> None:
    bench = two_products
    names = bench.store.parent / "products" / "names"
    (names / "lenient").write_text("0" * 64)
    bench.run_until("the fault", lambda: "product-refused" in faults(bench))
    assert judge(bench, 1, "lenient", "7").verdict == "ok"


def test_the_verdict_says_which_labels_show_the_product_and_are_no_defects(
    bench: InferenceUnderTest,
) -> None:
    deploy(bench, "open", productLabels=["cap_present", "scratch"])
    bench.start()
    assert judge(bench, 1, "open").product_labels == ("cap_present",)


def test_a_part_that_nobody_saw_has_the_product_of_the_part_after_it(
    two_products: InferenceUnderTest,
) -> None:
    judge(two_products, 1, "strict")
    judge(two_products, 3, "lenient", "7")
    missed = two_products.verdicts()[-2]
    assert (missed.verdict, missed.product, missed.policy_version) == ("missed", "lenient", "7")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"no digest", None])
def test_a_product_whose_name_cannot_be_read_is_told_and_its_last_good_version_judges_on(
    two_products: InferenceUnderTest, content: bytes | None
) -> None:
    bench = two_products
    name = bench.store.parent / "products" / "names" / "lenient"
    if content is None:
        name.unlink()
        name.mkdir()
    else:
        name.write_bytes(content)
    bench.run_until("the fault", lambda: "product-refused" in faults(bench))
    assert judge(bench, 1, "lenient", "7").verdict == "ok"
    bench.start()
    assert "product-refused" in faults(bench)
    assert judge(bench, 2, "lenient", "7").verdict == "ok"
    if content is not None:
        deploy(bench, "lenient", version="8")
        bench.run_until("no fault", lambda: "product-refused" not in faults(bench))


@pytest.mark.parametrize(
    "labels",
    [
        {"scratch": {"reject": 5.0}},
        {"scratch": {"reject": -1.0, "review": -1.0, "keep": -1.0}},
        {"scratch": {"reject": 0.1}},
        {"scratch": {"max_ok_count": 1000.0, "loudness": 0.5}},
    ],
)
def test_thresholds_in_the_ledger_that_cannot_be_make_no_part_ok(
    two_products: InferenceUnderTest, labels: dict[str, dict[str, float]]
) -> None:
    bench = two_products
    assert bench.inspector is not None
    bad = ProductThresholds(version="7", changes=1, labels=labels)
    bench.inspector._ledger.state_store.store_again([], {"lenient": bad})
    bench.start()
    verdict = judge(bench, 1, "lenient", "7", scratches=())
    assert verdict.verdict == "review"
    assert "the thresholds set for it are invalid" in verdict.reason
    assert judge(bench, 2, "strict", scratches=()).verdict == "ok"
