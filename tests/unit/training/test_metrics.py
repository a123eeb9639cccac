"""Each metric against its plainest implementation."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.datasets import DataSet, ImageLabel, LabelledPicture, TrueBox
from training.evaluation.area_overlap import compute_union_overlap
from training.evaluation.average_precision import compute_average_precision, match_boxes_by_label
from training.evaluation.bootstrap import (
    compute_bootstrap_interval,
    compute_percentile_bounds,
    draw_samples,
)
from training.evaluation.box_level import compute_box_figures
from training.evaluation.box_matching import compute_box_iou, match_boxes
from training.evaluation.image_level import (
    accuracy_from_sums,
    compute_area_under_roc,
    compute_picture_figures,
)
from training.evaluation.picture_set_figures import compute_figures, compute_group_figures
from training.evaluation.predictions import (
    PicturePrediction,
    PredictedBox,
    build_prediction_from_boxes,
)
from training.evaluation.threshold_costs import ErrorPrices, find_cheapest, sweep_thresholds

GOLDEN = Path(__file__).parent / "golden" / "coco_ap.json"
SIDE = 24
Box = tuple[float, float, float, float]

sides = st.integers(0, SIDE)
boxes_within = st.tuples(sides, sides, st.integers(0, 12), st.integers(0, 12)).map(
    lambda box: (float(box[0]), float(box[1]), float(box[2]), float(box[3]))
)
some_boxes = st.lists(boxes_within, max_size=5)


def mask_of(boxes: list[Box]) -> np.ndarray:
    """Pixel by pixel, cut at the picture's edge."""
    mask = np.zeros((SIDE, SIDE), bool)
    for x, y, width, height in boxes:
        mask[int(y) : int(y + height), int(x) : int(x + width)] = True
    return mask


@given(some_boxes, some_boxes, some_boxes)
def test_union_f1_and_iou_are_those_of_pixel_masks(
    truth: list[Box], found: list[Box], ignored: list[Box]
) -> None:
    overlap = compute_union_overlap(truth, found, ignored, (SIDE, SIDE))
    true, hit = mask_of(truth), mask_of(found) & ~(mask_of(ignored) & ~mask_of(truth))
    common, union, total = (true & hit).sum(), (true | hit).sum(), true.sum() + hit.sum()
    assert overlap.f1 == pytest.approx(2 * common / total if total else 1.0)
    assert overlap.iou == pytest.approx(common / union if union else 1.0)


def test_nothing_found_where_nothing_is_is_right_and_anything_else_is_wrong() -> None:
    assert compute_union_overlap([], []).f1 == compute_union_overlap([], []).iou == 1.0
    assert (
        compute_union_overlap([(0, 0, 2, 2)], []).f1
        == compute_union_overlap([], [(0, 0, 2, 2)]).f1
        == 0.0
    )
    assert compute_union_overlap([(0.25, 0, 0.5, 1)], [(0.5, 0, 0.5, 1)]).iou == pytest.approx(
        1 / 3
    )


@given(some_boxes, some_boxes)
def test_shares_of_boxes_are_those_of_pixel_masks(first: list[Box], second: list[Box]) -> None:
    shares = compute_box_iou(first, second)
    for row, one in enumerate(first):
        for column, other in enumerate(second):
            common = compute_box_iou([one], [other])[0, 0]
            assert shares[row, column] == common
            if (
                max(one[0] + one[2], one[1] + one[3], other[0] + other[2], other[1] + other[3])
                <= SIDE
            ):
                union = (mask_of([one]) | mask_of([other])).sum()
                both = (mask_of([one]) & mask_of([other])).sum()
                assert common == pytest.approx(both / union if union else 0.0)


def picture(
    number: int, boxes: list[TrueBox], label: ImageLabel = "", group: str = ""
) -> LabelledPicture:
    """A picture that lies nowhere."""
    return LabelledPicture(
        Path(str(number)), 200, 200, tuple(boxes), group=group, label=label, name=str(number)
    )


def test_average_precision_is_that_of_the_coco_tools() -> None:
    golden = json.loads(GOLDEN.read_text())
    numbers = range(1, 13)
    pictures = [
        picture(
            n, [TrueBox(str(c), (x, y, w, h)) for i, c, x, y, w, h in golden["truth"] if i == n]
        )
        for n in numbers
    ]
    predictions = [
        build_prediction_from_boxes(
            [
                PredictedBox(str(c), s, (x, y, w, h))
                for i, c, s, x, y, w, h in golden["found"]
                if i == n
            ]
        )
        for n in numbers
    ]
    found = compute_average_precision(match_boxes_by_label(pictures, predictions, ("1", "2", "3")))
    assert found.ap == pytest.approx(golden["ap"], abs=1e-12)
    assert found.ap50 == pytest.approx(golden["ap50"], abs=1e-12)
    assert found.ap75 == pytest.approx(golden["ap75"], abs=1e-12)


def test_all_boxes_found_as_they_are_is_perfect_and_no_truth_is_no_figure() -> None:
    boxes: list[Box] = [(0, 0, 10, 10), (50, 50, 20, 10)]
    truth = [picture(1, [TrueBox("a", box) for box in boxes])]
    perfect = [build_prediction_from_boxes([PredictedBox("a", 0.9, box) for box in boxes])]
    found = compute_average_precision(match_boxes_by_label(truth, perfect, ("a",)))
    assert (found.ap, found.ap50) == (1.0, 1.0)
    assert (
        compute_average_precision(match_boxes_by_label([picture(1, [])], perfect, ("a",))).ap
        is None
    )


@given(
    st.lists(boxes_within, max_size=4),
    st.lists(st.tuples(boxes_within, st.integers(0, 9)), max_size=4),
)
def test_matches_never_exceed_what_the_best_assignment_could_reach(
    truth: list[Box], found: list[tuple[Box, int]]
) -> None:
    shares = compute_box_iou([box for box, _ in found], truth)
    matched = match_boxes(
        [TrueBox("a", box) for box in truth],
        [PredictedBox("a", score / 10, box) for box, score in found],
        (0.5,),
    )
    hits, alarms, misses = matched.count_outcomes(0.0)
    assert hits + alarms == len(found)
    assert hits + misses == len(truth)
    fitting = shares >= 0.5
    assert hits <= min(fitting.any(axis=0).sum(), fitting.any(axis=1).sum())
    assert (hits > 0) == bool(fitting.any())
    assert matched.count_outcomes(0.95)[0] == 0


def test_what_is_not_visible_is_neither_a_hit_nor_a_false_alarm_nor_a_miss() -> None:
    truth = [TrueBox("a", (0, 0, 10, 10), visible=False), TrueBox("a", (50, 0, 10, 10))]
    found = [PredictedBox("a", 0.9, (0, 0, 10, 10)), PredictedBox("a", 0.8, (50, 0, 10, 10))]
    assert match_boxes(truth, found).count_outcomes(0.5) == (1, 0, 0)
    figures = compute_box_figures(
        DataSet("d", "coco", (picture(1, truth),), ("a",)),
        [build_prediction_from_boxes(found)],
        0.5,
    )
    assert figures["union_f1"]["value"] == 1.0
    assert figures["coco_ap"]["ap"]["value"] == 1.0


scored = st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=1, max_size=30)


@settings(max_examples=30)
@given(scored, st.integers(0, 20))
def test_image_figures_are_counts_of_pictures(rows: list[tuple[bool, int]], cut: int) -> None:
    pictures = [
        picture(n, [], "anomaly" if bad else "normal", str(n % 4))
        for n, (bad, _) in enumerate(rows)
    ]
    scores = np.array([score / 20 for _, score in rows])
    found = compute_picture_figures(pictures, scores, cut / 20)
    hits = sum(bad and score >= cut for bad, score in rows)
    alarms = sum(not bad and score >= cut for bad, score in rows)
    escapes = sum(bad and score < cut for bad, score in rows)
    assert (found["escapes"], found["overkill"]) == (escapes, alarms)
    wanted = 2 * hits / (2 * hits + alarms + escapes) if hits + alarms + escapes else None
    assert found["f1"]["value"] == (None if wanted is None else pytest.approx(wanted, abs=5e-5))
    by_class = []
    for wanted_bad in (True, False):
        groups: dict[int, list[bool]] = {}
        for number, (bad, score) in enumerate(rows):
            if bad == wanted_bad:
                groups.setdefault(number % 4, []).append(bad == (score >= cut))
        if groups:
            by_class.append(np.mean([np.mean(right) for right in groups.values()]))
    assert found["group_balanced_accuracy"]["value"] == pytest.approx(np.mean(by_class), abs=5e-5)


def test_calling_everything_anomalous_is_worth_a_half_however_many_groups_there_are() -> None:
    bad = [picture(n, [], "anomaly", f"bad {n}") for n in range(20)]
    good = [picture(n, [], "normal", "good") for n in range(20, 40)]
    found = compute_picture_figures([*bad, *good], np.ones(40), 0.5)
    assert found["group_balanced_accuracy"]["value"] == 0.5
    assert compute_picture_figures(bad, np.ones(20), 0.5)["group_balanced_accuracy"]["value"] == 1.0


@given(scored)
def test_the_area_under_the_curve_counts_pairs(rows: list[tuple[bool, int]]) -> None:
    bad = [score for is_bad, score in rows if is_bad]
    good = [score for is_bad, score in rows if not is_bad]
    found = compute_area_under_roc(
        np.array([b for b, _ in rows]), np.array([float(s) for _, s in rows])
    )
    if not bad or not good:
        assert found is None
    else:
        pairs = [(b > g) + 0.5 * (b == g) for b in bad for g in good]
        assert found == pytest.approx(np.mean(pairs), abs=5e-5)


@given(scored, st.integers(1, 50), st.integers(1, 5))
def test_each_threshold_of_the_sweep_costs_what_counting_says(
    rows: list[tuple[bool, int]], escape: int, scrap: int
) -> None:
    truth = np.array([bad for bad, _ in rows])
    scores = np.array([score / 20 for _, score in rows])
    found = sweep_thresholds(truth, scores, ErrorPrices(escape, scrap))
    for row in found:
        called = scores >= row["threshold"]
        assert row["escapes"] == (truth & ~called).sum()
        assert row["overkill"] == (~truth & called).sum()
        assert row["cost"] == escape * row["escapes"] + scrap * row["overkill"]
    assert found[-1]["overkill"] == 0  # the last one calls all normal
    assert found[0]["escapes"] == 0  # the first one none
    assert find_cheapest(found)["cost"] == min(row["cost"] for row in found)


def test_intervals_are_drawn_by_groups_so_copies_of_a_picture_do_not_narrow_them() -> None:
    random = np.random.default_rng(3)
    right = (random.random(40) < 0.7).astype(float)
    alone = np.stack([right, np.ones(40)], axis=1)
    units = [str(n) for n in range(40)]
    low, high = compute_bootstrap_interval(units, alone, accuracy_from_sums)
    assert low < right.mean() < high
    copied = np.repeat(alone, 25, axis=0)
    assert compute_bootstrap_interval(
        [u for u in units for _ in range(25)], copied, accuracy_from_sums
    ) == (low, high)
    as_single = compute_bootstrap_interval(
        [str(n) for n in range(1000)], copied, accuracy_from_sums
    )
    assert as_single[1] - as_single[0] < (high - low) / 3


def test_a_95_percent_interval_holds_the_true_share_about_that_often() -> None:
    random = np.random.default_rng(5)
    held = 0
    for _ in range(200):
        right = (random.random(60) < 0.6).astype(float)
        table = np.stack([right, np.ones(60)], axis=1)
        low, high = compute_bootstrap_interval(
            [str(n) for n in range(60)], table, accuracy_from_sums, draws=300
        )
        held += low <= 0.6 <= high
    assert 180 <= held <= 198


def test_drawings_hold_whole_groups() -> None:
    units = ["a", "b", "a", "c"]
    for rows in draw_samples(units, 20):
        counts = np.bincount(rows, minlength=4)
        assert counts[0] == counts[2]
        assert counts[0] + counts[1] + counts[3] == 3
    assert compute_percentile_bounds([float("nan")]) == (0.0, 1.0)


def test_predictions_with_other_labels_are_measured_as_defects_of_one_kind() -> None:
    found = DataSet(
        "d", "coco", (picture(1, [TrueBox("hole", (0, 0, 9, 9))], "anomaly"),), ("hole",)
    )
    prediction = build_prediction_from_boxes([PredictedBox("anomaly", 0.8, (0, 0, 9, 9))])
    figures = compute_figures(found, [prediction], 0.5, 0.5)
    assert figures["by_box"]["matched_f1"]["value"] == 1.0
    assert figures["by_box"]["labels"] == ["defect"]
    assert figures["by_picture"]["f1"]["value"] == 1.0


def test_pictures_of_which_nobody_knows_what_they_are_do_not_count_by_picture() -> None:
    found = DataSet("d", "class-folders", (picture(1, [], ""), picture(2, [], "normal")), ())
    figures = compute_figures(
        found, [PicturePrediction((), 0.9), PicturePrediction((), 0.1)], 0.5, 0.5
    )
    assert figures["by_picture"]["pictures"] == 1
    assert figures["by_picture"]["overkill"] == 0
    assert "by_box" not in figures


def test_groups_are_listed_with_the_worst_first() -> None:
    hole = TrueBox("hole", (0, 0, 10, 10))
    pictures = [picture(n, [hole], "anomaly", group) for n, group in enumerate("aabbc")]
    right, wrong = (
        build_prediction_from_boxes([PredictedBox("hole", 0.9, hole.box)]),
        PicturePrediction((), 0.1),
    )
    found = DataSet("d", "coco", tuple(pictures), ("hole",))
    assert compute_group_figures(found, [right, right, right, wrong, wrong], 0.5, 0.5) == [
        {"group": "b", "pictures": 2, "escapes": 1, "overkill": 0, "union_f1": 0.5},
        {"group": "a", "pictures": 2, "escapes": 0, "overkill": 0, "union_f1": 1.0},
    ]
