"""From detections to a verdict: pure, and the same wherever it runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sightline.messaging.messages import Detection, ThresholdBasis, Verdict
from sightline.storage.products import VerdictPolicy
from sightline.vision.model_outputs import DetectionOverflow
from sightline.vision.threshold_basis import build_threshold_basis
from sightline.vision.tolerances import find_over_count, is_tolerated, measure_detections


@dataclass(frozen=True)
class ViewCoverage:
    """What the station saw of a part: the cameras that should see, those missing, those with bad conditions.

    `doubts` are reasons for which the part cannot be ok; `part_doubts` too, but an empty place has none.
    `frame_sizes` are in pixels, by camera.
    """

    cameras: tuple[str, ...]
    missing_cameras: tuple[str, ...] = ()
    bad_conditions: tuple[str, ...] = ()  # such as "cam2 brightness"
    doubts: tuple[str, ...] = ()
    frame_sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    part_doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReasonedVerdict:
    """A verdict, why, whether a product was seen, whether the pictures are worth keeping.

    `relevant_detections` are those that count: defects from the review tier on, and the product.
    `rejecting_labels`: the labels that close the gate.
    """

    verdict: Verdict
    reason: str
    product_detected: bool
    keep_pictures: bool
    relevant_detections: tuple[Detection, ...] = ()
    rejecting_labels: frozenset[str] = frozenset()
    threshold_basis: ThresholdBasis | None = None


def measure_and_judge(
    detections: Sequence[Detection],
    overflows: Sequence[DetectionOverflow],
    *,
    coverage: ViewCoverage,
    policy: VerdictPolicy,
    scales: Mapping[str, float],
) -> ReasonedVerdict:
    """`judge_detections` with sizes, and a doubt wherever there was more than is examined."""
    doubts = (*coverage.doubts, *find_overflow_doubts(overflows, policy))
    known = measure_detections(detections, policy, scales, coverage.frame_sizes)
    return judge_detections(known, replace(coverage, doubts=doubts), policy)


def find_overflow_doubts(
    overflows: Sequence[DetectionOverflow], policy: VerdictPolicy
) -> list[str]:
    """The doubts where something that counts was left out: it might have been a defect."""
    return [
        f"more {overflow.label.replace('_', ' ')} on {overflow.camera} than are examined"
        for overflow in overflows
        if reaches_tier(overflow.score, policy.min_label_score(overflow.label))
    ]


def judge_detections(
    detections: Sequence[Detection], coverage: ViewCoverage, policy: VerdictPolicy
) -> ReasonedVerdict:
    """A defect is a defect whatever else is wrong; an ok needs every camera, good conditions, a product.

    Where the product's presence is `always`, each trigger is a part, whatever the cameras see.
    """
    seeing = _find_cameras_with_product(detections, coverage, policy)
    faulty = [found for found in detections if _is_defect(found, coverage, policy)]
    reasoned = _judge_faulty(detections, faulty, coverage, policy, seeing)
    otherwise = _judge_faulty(detections, (), coverage, policy, seeing).verdict
    return replace(reasoned, threshold_basis=build_threshold_basis(faulty, policy, otherwise))


def _judge_faulty(
    detections: Sequence[Detection],
    faulty: Sequence[Detection],
    coverage: ViewCoverage,
    policy: VerdictPolicy,
    seeing: set[str],
) -> ReasonedVerdict:
    defects = _find_over_count(faulty, policy, "reject")
    perhaps = _find_over_count(faulty, policy, "review")
    doubts = _find_doubts(perhaps, coverage, seeing)
    product = bool(seeing) or bool(defects)
    counting = {id(found) for found in perhaps}
    grounds = tuple(f for f in detections if id(f) in counting or _shows_product(f, policy))
    if defects:
        labels = frozenset(found.label for found in defects)
        return ReasonedVerdict("defect", _describe_detections(defects), True, True, grounds, labels)
    if doubts:
        return ReasonedVerdict("review", "; ".join(doubts), product, True, grounds)
    if not seeing:
        return ReasonedVerdict("empty", "no camera sees a product", False, False, grounds)
    accepted = [f for f in _find_reaching(detections, policy, "review") if id(f) not in counting]
    keep = bool(_find_reaching(detections, policy, "keep"))
    reason = f"no defect on {len(coverage.cameras)} pictures"
    if accepted:
        reason += f"; accepted {_describe_detections(accepted)}"
    return ReasonedVerdict("ok", reason, True, keep, grounds)


def reaches_tier(score: float, tier: float) -> bool:
    """Whether a score is at or above a tier; scores have four digits in messages, and so has the tier."""
    return score >= round(tier, 4)


def _is_defect(found: Detection, coverage: ViewCoverage, policy: VerdictPolicy) -> bool:
    tiers = policy.defects.get(found.label)
    return tiers is not None and not is_tolerated(found, tiers, coverage.frame_sizes)


def _shows_product(found: Detection, policy: VerdictPolicy) -> bool:
    return found.label in policy.product_labels and found.score >= policy.product_score


def _find_cameras_with_product(
    detections: Sequence[Detection], coverage: ViewCoverage, policy: VerdictPolicy
) -> set[str]:
    if policy.presence == "always":
        return set(coverage.cameras)
    return {found.camera for found in detections if _shows_product(found, policy)}


def _find_doubts(
    review_candidates: Sequence[Detection], coverage: ViewCoverage, seeing: set[str]
) -> list[str]:
    doubts = [*coverage.doubts]
    doubts += coverage.part_doubts if seeing else ()
    doubts += [f"{camera} delivered no picture" for camera in coverage.missing_cameras]
    doubts += [f"{condition} out of range" for condition in coverage.bad_conditions]
    if review_candidates:
        doubts.append("perhaps " + _describe_detections(review_candidates))
    watching = [camera for camera in coverage.cameras if camera not in coverage.missing_cameras]
    blind = [camera for camera in watching if camera not in seeing]
    if seeing and blind:
        doubts.append(f"no product seen by {', '.join(blind)}")
    return doubts


def _find_over_count(
    faulty: Sequence[Detection], policy: VerdictPolicy, tier: str
) -> list[Detection]:
    return find_over_count(_find_reaching(faulty, policy, tier), policy)


def _find_reaching(
    detections: Sequence[Detection], policy: VerdictPolicy, tier: str
) -> list[Detection]:
    found = [
        detection
        for detection in detections
        if detection.label in policy.defects
        and reaches_tier(detection.score, getattr(policy.defects[detection.label], tier))
    ]
    return sorted(found, key=lambda detection: -detection.score)


def _describe_detections(detections: Sequence[Detection]) -> str:
    """`scratch 0.93 on cam2, dent 0.71 on cam1`: the best of each label and camera."""
    best = {(found.label, found.camera): found for found in reversed(detections)}
    ranked = sorted(best.values(), key=lambda detection: -detection.score)
    return ", ".join(
        f"{found.label.replace('_', ' ')} {found.score:.2f}{_describe_size(found)} on {found.camera}"
        for found in ranked[:4]
    )


def _describe_size(found: Detection) -> str:
    return "" if found.size_mm is None else f" ({found.size_mm:g} mm)"
