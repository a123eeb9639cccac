"""What a product puts up with: by size in mm, zone and count."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.ledger.state_store import ProductThresholds
from inference.verdicts.rule_book import apply_thresholds
from inference.verdicts.threshold_changes import SetThreshold, change_threshold
from sightline.errors import CommandError
from sightline.messaging.messages import Detection
from sightline.storage.products import InspectionZone, LabelTiers, Product, VerdictPolicy
from sightline.vision.part_judging import ViewCoverage, judge_detections
from sightline.vision.tolerances import find_over_count, is_tolerated, measure_detections

CAMERAS = ("cam1", "cam2")
SIZES = dict.fromkeys(CAMERAS, (1000, 500))
SIGHT = ViewCoverage(CAMERAS, frame_sizes=SIZES)
CAPS = [
    Detection(camera=c, label="cap", score=0.9, x=0, y=0, width=9, height=9, model="m")
    for c in CAMERAS
]
SCALE = {"cam1": 0.1, "cam2": 0.1}
numbers = st.integers(0, 400)


def mark(
    x: int = 100, y: int = 100, width: int = 30, height: int = 40, **more: object
) -> Detection:
    """A scratch of 50 pixels on cam1."""
    values = {"camera": "cam1", "label": "scratch", "score": 0.9, "model": "m", **more}
    return Detection(x=x, y=y, width=width, height=height, **values)  # type: ignore[arg-type]


def a_policy(**tiers: object) -> VerdictPolicy:
    """A product with scratches accepted in this way."""
    return VerdictPolicy(
        defects={"scratch": LabelTiers(**tiers), "dent": LabelTiers()},  # type: ignore[arg-type]
        product_labels=("cap",),
        mm_per_pixel=SCALE,
    )


def verdict_on(policy: VerdictPolicy, *marks: Detection, sight: ViewCoverage = SIGHT) -> str:
    return judge_detections(measure_detections([*CAPS, *marks], policy, {}), sight, policy).verdict


@pytest.mark.parametrize(
    ("max_ok_mm", "measured_by", "verdict"),
    [
        (4.9, "diagonal", "defect"),
        (5.0, "diagonal", "ok"),
        (3.9, "longerSide", "defect"),
        (4.0, "longerSide", "ok"),
        (0.0, "diagonal", "defect"),
    ],
)
def test_a_mark_up_to_the_largest_size_is_ok(
    max_ok_mm: float, measured_by: str, verdict: str
) -> None:
    policy = a_policy(max_ok_mm=max_ok_mm, measured_by=measured_by)
    assert verdict_on(policy, mark()) == verdict


def test_a_mark_whose_size_nobody_knows_is_not_accepted_for_its_size() -> None:
    policy = a_policy(max_ok_mm=1000)
    unscaled = VerdictPolicy(defects=policy.defects, product_labels=policy.product_labels)
    assert verdict_on(unscaled, mark()) == "defect"
    assert verdict_on(policy, mark()) == "ok"


@pytest.mark.parametrize(
    "place", [(0, 100), (100, 0), (970, 100), (100, 460), (0, 0), (-5, 100), (999, 100)]
)
@pytest.mark.parametrize("max_ok_mm", [0.0, 1.5, 1000.0])
def test_a_mark_at_the_edge_of_the_picture_has_no_known_size_and_is_accepted_by_none(
    place: tuple[int, int], max_ok_mm: float
) -> None:
    policy = a_policy(max_ok_mm=max_ok_mm)
    assert verdict_on(policy, mark(*place)) == "defect"
    (found,) = measure_detections([mark(*place)], policy, {}, SIZES)
    assert found.size_mm is None


@pytest.mark.parametrize("max_ok_mm", [0.0, 0.01, 1000.0])
@pytest.mark.parametrize(("width", "height"), [(0, 0), (0, 40), (40, 0)])
@pytest.mark.parametrize("zones", [{}, {"cam1": (InspectionZone(left=0.5),)}])
def test_a_box_of_which_the_frame_shows_nothing_is_never_accepted(
    width: int, height: int, max_ok_mm: float, zones: dict[str, tuple[InspectionZone, ...]]
) -> None:
    policy = a_policy(max_ok_mm=max_ok_mm, zones=zones)
    assert verdict_on(policy, mark(width=width, height=height)) == "defect"


@pytest.mark.parametrize("scale", [0.0, -0.1, float("nan"), float("inf"), -float("inf"), 1e308])
def test_a_scale_that_cannot_be_makes_no_size(scale: float) -> None:
    policy = a_policy(max_ok_mm=100_000)
    found = measure_detections([*CAPS, mark()], policy, {"cam1": scale}, SIZES)
    assert judge_detections(found, SIGHT, policy).verdict == "defect"


def test_the_lowest_score_that_is_read_is_that_of_all_tiers() -> None:
    assert VerdictPolicy(product_score=0.3).min_score() == 0.2
    assert a_policy(keep=0.1).min_label_score("scratch") == 0.1
    assert a_policy().min_label_score("cap") == 0.5
    assert a_policy().min_label_score("other") == float("inf")


def test_what_was_measured_at_the_station_goes_before_the_scale_of_the_product() -> None:
    (product,) = measure_detections([mark()], a_policy(), {})
    (station,) = measure_detections([mark()], a_policy(), {"cam1": 0.2})
    (other,) = measure_detections([mark(camera="cam3")], a_policy(), {"cam3": 0.2})
    assert (product.size_mm, station.size_mm, other.size_mm) == (5.0, 10.0, 10.0)


@pytest.mark.parametrize(
    ("place", "verdict"),
    [((100, 100), "ok"), ((480, 100), "defect"), ((469, 100), "ok"), ((600, 260), "ok")],
)
def test_a_mark_outside_of_the_zones_is_ok_and_one_that_touches_them_is_not(
    place: tuple[int, int], verdict: str
) -> None:
    zones = {"cam1": (InspectionZone(left=0.5, right=0.9, top=0.0, bottom=0.5),)}
    policy = a_policy(zones=zones)
    assert verdict_on(policy, mark(*place)) == verdict
    assert verdict_on(policy, mark(*place, camera="cam2")) == "defect"  # no zone: everywhere
    assert verdict_on(policy, mark(*place), sight=replace(SIGHT, frame_sizes={})) == "defect"


@pytest.mark.parametrize(
    ("scores", "verdict"),
    [
        ((0.9, 0.9), "ok"),
        ((0.9, 0.9, 0.9), "defect"),
        ((0.9, 0.9, 0.4), "review"),
        ((0.9, 0.9, 0.3), "ok"),
    ],
)
def test_as_many_marks_as_are_still_ok_are_ok(scores: tuple[float, ...], verdict: str) -> None:
    policy = a_policy(max_ok_count=2)
    marks = [mark(x=10 * place, score=score) for place, score in enumerate(scores)]
    assert verdict_on(policy, *marks) == verdict
    assert verdict_on(policy, *marks, mark(label="dent")) == "defect"


def test_what_was_accepted_stands_in_the_reason_and_not_among_the_defects() -> None:
    policy = a_policy(max_ok_mm=5.0)
    judgement = judge_detections(measure_detections([*CAPS, mark()], policy, {}), SIGHT, policy)
    assert judgement.reason == "no defect on 2 pictures; accepted scratch 0.90 (5 mm) on cam1"
    assert judgement.keep_pictures
    assert {found.label for found in judgement.relevant_detections} == {"cap"}


def test_a_defect_is_named_with_its_size() -> None:
    policy = a_policy()
    judgement = judge_detections(measure_detections([*CAPS, mark()], policy, {}), SIGHT, policy)
    assert judgement.reason == "scratch 0.90 (5 mm) on cam1"
    assert [
        found.size_mm for found in judgement.relevant_detections if found.label == "scratch"
    ] == [5.0]


@given(numbers, numbers, st.integers(1, 200), st.integers(1, 200), st.floats(0.001, 10))
def test_no_size_is_told_smaller_than_the_longer_side(
    x: int, y: int, width: int, height: int, scale: float
) -> None:
    policy = VerdictPolicy(mm_per_pixel={"cam1": scale})
    (found,) = measure_detections([mark(x, y, width, height)], policy, {})
    assert found.size_mm is not None
    assert found.size_mm >= max(width, height) * scale - 1e-6


marks = st.lists(
    st.builds(
        mark,
        x=st.integers(0, 970),
        y=st.integers(0, 460),
        width=st.integers(1, 30),
        height=st.integers(1, 40),
        camera=st.sampled_from(CAMERAS),
        label=st.sampled_from(["scratch", "dent"]),
        score=st.floats(0, 1),
    ),
    max_size=8,
)
shares = st.floats(0, 0.4)
acceptances = st.builds(
    LabelTiers,
    max_ok_mm=st.floats(0, 6),
    max_ok_count=st.integers(0, 3),
    zones=st.dictionaries(
        st.sampled_from(CAMERAS),
        st.tuples(st.builds(InspectionZone, left=shares, top=shares)),
        max_size=2,
    ),
)
SEVERITY = ["ok", "review", "defect"]


@given(marks, acceptances)
def test_acceptance_never_makes_a_part_worse_and_never_lets_a_mark_pass_that_it_does_not_name(
    found: list[Detection], tiers: LabelTiers
) -> None:
    strict, lenient = a_policy(), replace_tiers(tiers)
    before, after = (SEVERITY.index(verdict_on(policy, *found)) for policy in (strict, lenient))
    assert after <= before
    seen = [
        f for f in measure_detections(found, lenient, {}) if f.label == "scratch" and f.score >= 0.5
    ]
    left = [f for f in seen if not is_tolerated(f, tiers, SIZES)]
    if len(left) > tiers.max_ok_count:
        assert SEVERITY[after] == "defect"


@given(marks, acceptances)
def test_a_part_with_one_mark_less_is_never_judged_worse(
    found: list[Detection], tiers: LabelTiers
) -> None:
    policy = replace_tiers(tiers)
    whole = SEVERITY.index(verdict_on(policy, *found))
    for place in range(len(found)):
        fewer = found[:place] + found[place + 1 :]
        assert SEVERITY.index(verdict_on(policy, *fewer)) <= whole


@given(marks)
def test_counting_leaves_all_or_none_of_a_label(found: list[Detection]) -> None:
    policy = a_policy(max_ok_count=1)
    kept = find_over_count(found, policy)
    for label in ("scratch", "dent"):
        of_label = [f for f in found if f.label == label]
        assert [f for f in kept if f.label == label] in ([], of_label)


def replace_tiers(tiers: LabelTiers) -> VerdictPolicy:
    """The product with this acceptance of scratches."""
    policy = a_policy()
    return VerdictPolicy(
        defects={**policy.defects, "scratch": tiers},
        product_labels=policy.product_labels,
        mm_per_pixel=SCALE,
    )


BOTTLE = Product(
    name="bottle",
    version="4",
    models=("surface",),
    defects=dict.fromkeys(("scratch", "dent", "cap_missing"), LabelTiers()),
    product_labels=("cap_present",),
)


def test_a_threshold_changes_the_version_and_the_tiers_until_the_next_version() -> None:
    first = change_threshold(BOTTLE, None, SetThreshold(product="bottle", label="dent", reject=0.8))
    second = change_threshold(
        BOTTLE, first, SetThreshold(product="bottle", label="scratch", reject=0.9, review=0.7)
    )
    tuned = apply_thresholds(BOTTLE, second)
    assert tuned.version == "4+2"
    assert (tuned.defects["dent"].reject, tuned.defects["dent"].review) == (0.8, 0.35)
    assert (tuned.defects["scratch"].reject, tuned.defects["scratch"].review) == (0.9, 0.7)
    back = change_threshold(
        BOTTLE, second, SetThreshold(product="bottle", label="dent", reset=True)
    )
    assert apply_thresholds(BOTTLE, back).defects["dent"] == BOTTLE.defects["dent"]
    assert apply_thresholds(BOTTLE, back).version == "4+3"
    newer = msgspec.structs.replace(BOTTLE, version="5")
    assert apply_thresholds(newer, back) == newer
    again = change_threshold(newer, back, SetThreshold(product="bottle", label="dent", keep=0.1))
    assert again == ProductThresholds(version="5", changes=1, labels={"dent": {"keep": 0.1}})


@pytest.mark.parametrize(
    "kept", [{"reject": 0.1}, {"reject": 7.0}, {"review": float("inf")}, {"hole": 0.5}]
)
def test_what_was_kept_and_cannot_be_is_taken_back_or_replaced_by_a_command(
    kept: dict[str, float],
) -> None:
    before = ProductThresholds(version="4", changes=3, labels={"dent": kept})
    with pytest.raises((TypeError, ValueError)):
        apply_thresholds(BOTTLE, before)
    back = change_threshold(
        BOTTLE, before, SetThreshold(product="bottle", label="dent", reset=True)
    )
    assert apply_thresholds(BOTTLE, back).defects == BOTTLE.defects
    asked = SetThreshold(product="bottle", label="dent", reject=0.9, review=0.8, keep=0.7)
    tiers = apply_thresholds(BOTTLE, change_threshold(BOTTLE, before, asked)).defects["dent"]
    assert (tiers.reject, tiers.review, tiers.keep) == (0.9, 0.8, 0.7)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (
            {"label": "hole", "reject": 0.5},
            "has no defect hole; its defects are cap_missing, dent, scratch",
        ),
        (
            {"label": "dent", "reject": 0.3},
            "reject of 0.3 is not allowed; with the other thresholds it can be 0.35 to 1",
        ),
        (
            {"label": "dent", "review": 0.6},
            "review of 0.6 is not allowed; with the other thresholds it can be 0.2 to 0.5",
        ),
        (
            {"label": "dent", "keep": 0.4},
            "keep of 0.4 is not allowed; with the other thresholds it can be 0 to 0.35",
        ),
        ({"label": "dent"}, "either some of reject, review and keep, or reset"),
        ({"label": "dent", "reset": True, "keep": 0.1}, "either some of"),
    ],
)
def test_a_wrong_threshold_is_refused_with_what_is_allowed(
    asked: dict[str, object], words: str
) -> None:
    with pytest.raises(CommandError, match=words):
        change_threshold(BOTTLE, None, SetThreshold(product="bottle", **asked))  # type: ignore[arg-type]
