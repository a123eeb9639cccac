"""What a record says of its scores tells what other thresholds would have done, or that it cannot."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sightline.messaging.messages import Detection, ThresholdBasis
from sightline.storage.products import (
    LabelTiers,
    Product,
    VerdictPolicy,
    describe_tiers,
    parse_tiers,
)
from sightline.vision.part_judging import ViewCoverage, judge_detections
from sightline.vision.threshold_basis import change_tiers, judge_by_basis

CAMERAS = ("cam1", "cam2")
SIZES = dict.fromkeys(CAMERAS, (100, 100))
SCORES = st.integers(1, 20).map(lambda twentieths: twentieths / 20)
LABELS = ("scratch", "dent")


def found(label: str, score: float, camera: str = "cam1") -> Detection:
    """A detection somewhere."""
    return Detection(
        camera=camera, label=label, score=score, x=10, y=20, width=3, height=4, model="m"
    )


@st.composite
def tiers(draw: st.DrawFn) -> LabelTiers:
    keep, review, reject = sorted(draw(st.tuples(SCORES, SCORES, SCORES)))
    return LabelTiers(reject=reject, review=review, keep=keep)


@given(
    st.lists(st.builds(found, st.sampled_from(LABELS), SCORES, st.sampled_from(CAMERAS))),
    st.tuples(tiers(), tiers()),
    st.tuples(tiers(), tiers()),
    st.integers(0, 2),
    st.sampled_from([(), ("cam2 is dark",)]),
    st.booleans(),
)
def test_the_effect_of_other_thresholds_is_right_or_unknown_never_wrong(
    detections: list[Detection],
    before: tuple[LabelTiers, LabelTiers],
    after: tuple[LabelTiers, LabelTiers],
    tolerated: int,
    doubts: tuple[str, ...],
    has_product: bool,
) -> None:
    coverage = ViewCoverage(CAMERAS, doubts=doubts, frame_sizes=SIZES)
    product = [found("cap_present", 0.9, camera) for camera in CAMERAS] if has_product else []

    def policy(of: tuple[LabelTiers, LabelTiers]) -> VerdictPolicy:
        counted = (replace(each, max_ok_count=tolerated) for each in of)
        return VerdictPolicy(defects=dict(zip(LABELS, counted, strict=True)))

    was, becomes = policy(before), policy(after)
    seen = [each for each in (*detections, *product) if each.score >= was.min_score()]
    judged = judge_detections(seen, coverage, was)
    assert judged.threshold_basis is not None
    assert judge_by_basis(judged.threshold_basis, was.defects) == judged.verdict
    if was.min_score() > was.product_score:  # another floor would change what shows the product
        return
    told = judge_by_basis(judged.threshold_basis, becomes.defects)
    truth = judge_detections([*detections, *product], coverage, becomes).verdict
    assert told in (truth, None)
    if becomes.min_score() >= was.min_score():
        assert told == truth


@pytest.mark.parametrize(
    ("review", "told"),
    [(0.35, "ok"), (0.2, "ok"), (0.19, None)],
    ids=["above what was looked at", "where it was looked at", "below"],
)
def test_below_the_score_that_the_station_looked_at_nothing_is_guessed(
    review: float, told: str | None
) -> None:
    basis = ThresholdBasis(scores={}, min_score=0.2, otherwise="ok")
    assert judge_by_basis(basis, {"dent": LabelTiers(review=review, keep=0.1)}) == told


def test_another_labels_reject_makes_an_unknown_score_not_matter() -> None:
    basis = ThresholdBasis(scores={"scratch": 0.9}, min_score=0.2, otherwise="ok")
    both = {"dent": LabelTiers(review=0.1, keep=0.1), "scratch": LabelTiers()}
    assert judge_by_basis(basis, both) == "defect"


@pytest.mark.parametrize(
    ("given_scores", "words"),
    [
        ({"review": 0.6}, "review of 0.6 is not allowed; with the other thresholds it can be 0.2"),
        ({"reject": 0.3}, "reject of 0.3"),
        ({"keep": 0.0}, "keep of 0"),
    ],
)
def test_thresholds_that_rise_are_refused(given_scores: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        change_tiers(LabelTiers(), given_scores)


def test_the_thresholds_in_force_are_told_and_read_again() -> None:
    bottle = Product(
        name="bottle",
        version="3+1",
        models=("surface",),
        defects={"scratch": LabelTiers()},
        product_labels=("cap",),
    )
    strict = replace(bottle, name="strict", defects={"dent": LabelTiers(reject=0.633333)})
    text = describe_tiers([bottle, strict], 2000)
    read = parse_tiers(text)
    assert read["strict"] == ("3+1", {"dent": LabelTiers(reject=0.633333)})
    assert read["bottle"] == ("3+1", dict(bottle.defects))
    short = describe_tiers([bottle, strict], len(text) - 1)
    assert list(parse_tiers(short)) == ["bottle"]


@pytest.mark.parametrize(
    "text",
    ["", "bottle", "bottle 3: dent", "b 3: dent 0.5/0.3", "b 3: dent nan/nan/nan", "b 3: d 2/1/0"],
)
def test_thresholds_that_cannot_be_read_are_none(text: str) -> None:
    read: dict[str, Any] = parse_tiers(text)
    assert read == {}
