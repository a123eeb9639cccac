"""From detections to a verdict: pure, and the same wherever it runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from inference.acceptance import is_accepted, sized, too_many
from inference.answers import Crowd
from sightline.messages import Detection, Verdict
from sightline.products import Policy


@dataclass(frozen=True)
class Sight:
    """What the station saw of a part: the cameras that should see, those missing, those seeing badly.

    `doubts` are reasons for which the part cannot be ok; `sizes` of the frames in pixels, by camera.
    """

    cameras: tuple[str, ...]
    missing_cameras: tuple[str, ...] = ()
    bad_conditions: tuple[str, ...] = ()  # such as "cam2 brightness"
    doubts: tuple[str, ...] = ()
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Judgement:
    """A verdict, why, whether a product was seen, whether the pictures are worth keeping.

    `grounds` are the detections that count: defects from the review tier on, and the product.
    `rejected_for`: the labels that close the gate.
    """

    verdict: Verdict
    reason: str
    product_detected: bool
    keep_pictures: bool
    grounds: tuple[Detection, ...] = ()
    rejected_for: frozenset[str] = frozenset()


def judge_seen(
    detections: Sequence[Detection],
    crowds: Sequence[Crowd],
    *,
    sight: Sight,
    policy: Policy,
    scales: Mapping[str, float],
) -> Judgement:
    """`judge` with the sizes of the detections, and a doubt wherever there was more than is looked at."""
    doubts = (*sight.doubts, *crowding(crowds, policy))
    known = sized(detections, policy, scales, sight.sizes)
    return judge(known, replace(sight, doubts=doubts), policy)


def crowding(crowds: Sequence[Crowd], policy: Policy) -> list[str]:
    """The doubts where something that counts was left out: it might have been a defect."""
    return [
        f"more {crowd.label.replace('_', ' ')} on {crowd.camera} than are looked at"
        for crowd in crowds
        if reaches(crowd.score, policy.lowest_of(crowd.label))
    ]


def judge(detections: Sequence[Detection], sight: Sight, policy: Policy) -> Judgement:
    """A defect is a defect whatever else is wrong; an ok needs every camera, good conditions, a product."""
    seeing = _cameras_with_product(detections, policy)
    faulty = [found for found in detections if _is_fault(found, sight, policy)]
    defects = _too_many_reaching(faulty, policy, "reject")
    perhaps = _too_many_reaching(faulty, policy, "review")
    doubts = _doubts(perhaps, sight, seeing)
    product = bool(seeing) or bool(defects)
    counting = {id(found) for found in perhaps}
    grounds = tuple(f for f in detections if id(f) in counting or _shows_product(f, policy))
    if defects:
        labels = frozenset(found.label for found in defects)
        return Judgement("defect", _named(defects), True, True, grounds, labels)
    if doubts:
        return Judgement("review", "; ".join(doubts), product, True, grounds)
    if not seeing:
        return Judgement("empty", "no camera sees a product", False, False, grounds)
    accepted = [f for f in _reaching(detections, policy, "review") if id(f) not in counting]
    keep = bool(_reaching(detections, policy, "keep"))
    reason = f"no defect on {len(sight.cameras)} pictures"
    if accepted:
        reason += f"; accepted {_named(accepted)}"
    return Judgement("ok", reason, True, keep, grounds)


def reaches(score: float, tier: float) -> bool:
    """Whether a score is at or above a tier; scores are told in four digits, and so the tier is taken."""
    return score >= round(tier, 4)


def _is_fault(found: Detection, sight: Sight, policy: Policy) -> bool:
    tiers = policy.defects.get(found.label)
    return tiers is not None and not is_accepted(found, tiers, sight.sizes)


def _shows_product(found: Detection, policy: Policy) -> bool:
    return found.label in policy.product_labels and found.score >= policy.product_score


def _cameras_with_product(detections: Sequence[Detection], policy: Policy) -> set[str]:
    return {found.camera for found in detections if _shows_product(found, policy)}


def _doubts(perhaps: Sequence[Detection], sight: Sight, seeing: set[str]) -> list[str]:
    doubts = [*sight.doubts]
    doubts += [f"{camera} delivered no picture" for camera in sight.missing_cameras]
    doubts += [f"{condition} out of range" for condition in sight.bad_conditions]
    if perhaps:
        doubts.append("perhaps " + _named(perhaps))
    watching = [camera for camera in sight.cameras if camera not in sight.missing_cameras]
    blind = [camera for camera in watching if camera not in seeing]
    if seeing and blind:
        doubts.append(f"no product seen by {', '.join(blind)}")
    return doubts


def _too_many_reaching(faulty: Sequence[Detection], policy: Policy, tier: str) -> list[Detection]:
    return too_many(_reaching(faulty, policy, tier), policy)


def _reaching(detections: Sequence[Detection], policy: Policy, tier: str) -> list[Detection]:
    found = [
        detection
        for detection in detections
        if detection.label in policy.defects
        and reaches(detection.score, getattr(policy.defects[detection.label], tier))
    ]
    return sorted(found, key=lambda detection: -detection.score)


def _named(detections: Sequence[Detection]) -> str:
    """`scratch 0.93 on cam2, dent 0.71 on cam1`: the best of each label and camera."""
    best = {(found.label, found.camera): found for found in reversed(detections)}
    ranked = sorted(best.values(), key=lambda detection: -detection.score)
    return ", ".join(
        f"{found.label.replace('_', ' ')} {found.score:.2f}{_size(found)} on {found.camera}"
        for found in ranked[:4]
    )


def _size(found: Detection) -> str:
    return "" if found.size_mm is None else f" ({found.size_mm:g} mm)"
