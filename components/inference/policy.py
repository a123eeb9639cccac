"""From detections to a verdict: pure, and the same wherever it runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from inference.configuration import Policy
from sightline.messages import Detection, Verdict


@dataclass(frozen=True)
class Sight:
    """What the station saw of a part: the cameras that should see, those missing, those seeing badly."""

    cameras: tuple[str, ...]
    missing_cameras: tuple[str, ...] = ()
    bad_conditions: tuple[str, ...] = ()  # such as "cam2 brightness"


@dataclass(frozen=True)
class Judgement:
    """A verdict, why, whether a product was seen, whether the pictures are worth keeping.

    `grounds` are the detections that count: defects from the review tier on, and the product.
    """

    verdict: Verdict
    reason: str
    product_detected: bool
    keep_pictures: bool
    grounds: tuple[Detection, ...] = ()


def judge(detections: Sequence[Detection], sight: Sight, policy: Policy) -> Judgement:
    """A defect is a defect whatever else is wrong; an ok needs every camera, good conditions, a product."""
    seeing = _cameras_with_product(detections, policy)
    defects = _reaching(detections, policy, "reject")
    doubts = _doubts(detections, sight, policy, seeing)
    product = bool(seeing) or bool(defects)
    grounds = tuple(found for found in detections if _counts(found, policy))
    if defects:
        return Judgement("defect", _named(defects), True, True, grounds)
    if doubts:
        return Judgement("review", "; ".join(doubts), product, True, grounds)
    if not seeing:
        return Judgement("empty", "no camera sees a product", False, False, grounds)
    keep = bool(_reaching(detections, policy, "keep"))
    return Judgement("ok", f"no defect on {len(sight.cameras)} pictures", True, keep, grounds)


def _counts(found: Detection, policy: Policy) -> bool:
    tiers = policy.defects.get(found.label)
    if tiers is not None and found.score >= tiers.review:
        return True
    return found.label in policy.product_labels and found.score >= policy.product_score


def _cameras_with_product(detections: Sequence[Detection], policy: Policy) -> set[str]:
    return {
        detection.camera
        for detection in detections
        if detection.label in policy.product_labels and detection.score >= policy.product_score
    }


def _doubts(
    detections: Sequence[Detection], sight: Sight, policy: Policy, seeing: set[str]
) -> list[str]:
    doubts = [f"{camera} delivered no picture" for camera in sight.missing_cameras]
    doubts += [f"{condition} out of range" for condition in sight.bad_conditions]
    perhaps = _reaching(detections, policy, "review")
    if perhaps:
        doubts.append("perhaps " + _named(perhaps))
    watching = [camera for camera in sight.cameras if camera not in sight.missing_cameras]
    blind = [camera for camera in watching if camera not in seeing]
    if seeing and blind:
        doubts.append(f"no product seen by {', '.join(blind)}")
    return doubts


def _reaching(detections: Sequence[Detection], policy: Policy, tier: str) -> list[Detection]:
    found = [
        detection
        for detection in detections
        if detection.label in policy.defects
        and detection.score >= getattr(policy.defects[detection.label], tier)
    ]
    return sorted(found, key=lambda detection: -detection.score)


def _named(detections: Sequence[Detection]) -> str:
    """`scratch 0.93 on cam2, dent 0.71 on cam1`: the best of each label and camera."""
    best = {(found.label, found.camera): found for found in reversed(detections)}
    ranked = sorted(best.values(), key=lambda detection: -detection.score)
    return ", ".join(
        f"{found.label.replace('_', ' ')} {found.score:.2f} on {found.camera}"
        for found in ranked[:4]
    )
