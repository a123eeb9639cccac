"""How other thresholds would have judged a part, from what its record says of the scores. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from sightline.messaging.messages import Detection, ThresholdBasis, Verdict
from sightline.storage.products import LabelTiers, VerdictPolicy


def build_threshold_basis(
    defects: Sequence[Detection], policy: VerdictPolicy, otherwise: Verdict
) -> ThresholdBasis:
    """The basis of a part whose defects, after those tolerated by size and zone, are these."""
    scores: dict[str, list[float]] = {}
    for found in defects:
        scores.setdefault(found.label, []).append(found.score)
    deciding = {
        label: sorted(of_label, reverse=True)[policy.defects[label].max_ok_count]
        for label, of_label in sorted(scores.items())
        if len(of_label) > policy.defects[label].max_ok_count
    }
    return ThresholdBasis(
        scores=deciding, min_score=round(policy.min_score(), 4), otherwise=otherwise
    )


def judge_by_basis(basis: ThresholdBasis, tiers: Mapping[str, LabelTiers]) -> Verdict | None:
    """The verdict with these tiers; None if it depends on scores that the station did not look at."""
    at_most = {label: basis.scores.get(label, basis.min_score) for label in tiers}
    at_least = {label: basis.scores.get(label, 0.0) for label in tiers}
    highest = _judge_scores(at_most, basis, tiers, unseen=set(tiers) - set(basis.scores))
    lowest = _judge_scores(at_least, basis, tiers, unseen=set())
    return lowest if lowest == highest else None


def _judge_scores(
    scores: Mapping[str, float],
    basis: ThresholdBasis,
    tiers: Mapping[str, LabelTiers],
    unseen: set[str],
) -> Verdict:
    """By the rule of `judge_detections`; the score of an unseen label lies below its number."""

    def reached(tier: str) -> bool:
        limits = {label: round(getattr(of_label, tier), 4) for label, of_label in tiers.items()}
        return any(
            score > limits[label] if label in unseen else score >= limits[label]
            for label, score in scores.items()
        )

    if reached("reject"):
        return "defect"
    return "review" if reached("review") else basis.otherwise


def change_tiers(tiers: LabelTiers, given: Mapping[str, float]) -> LabelTiers:
    """Tiers with some of `reject`, `review` and `keep` replaced; ValueError if they would rise."""
    after = msgspec.structs.replace(tiers, **given)
    limits = {
        "reject": (after.review, 1.0),
        "review": (after.keep, after.reject),
        "keep": (0.0, after.review),
    }
    for tier, value in given.items():
        low, high = limits[tier]
        if not (low <= value <= high and value > 0):
            raise ValueError(
                f"{tier} of {value:g} is not allowed; with the other thresholds it can be "
                f"{low:g} to {high:g}"
            )
    return after
