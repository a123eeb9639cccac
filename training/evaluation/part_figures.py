"""Figures of verdicts on labelled parts: escapes, overkill, review, recall by band. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sightline.messaging.messages import Detection, Verdict
from sightline.storage.products import VerdictPolicy
from sightline.vision.part_judging import ViewCoverage, judge_detections
from sightline.vision.tolerances import measure_detections
from training.datasets import LabelledPicture
from training.evaluation.wilson_bounds import compute_share_bounds

PASSING_VERDICTS: tuple[Verdict, ...] = ("ok", "empty")


@dataclass(frozen=True)
class EvaluatedPart:
    """One part: its true defects as (label, band, visible), and its detections."""

    part_number: int
    cameras: tuple[str, ...]
    true_defects: frozenset[tuple[str, str, bool]]
    detections: tuple[Detection, ...]
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # of the frames, by camera

    @property
    def is_good(self) -> bool:
        """Whether the part has no true defect."""
        return not self.true_defects

    @property
    def is_visibly_bad(self) -> bool:
        """Whether the part has a visible defect."""
        return any(visible for _, _, visible in self.true_defects)


def collect_true_defects(
    pictures: Sequence[LabelledPicture], policy: VerdictPolicy
) -> frozenset[tuple[str, str, bool]]:
    """The defects on a part's pictures."""
    return frozenset(
        (box.label, box.severity, box.visible)
        for picture in pictures
        for box in picture.boxes
        if box.label in policy.defects
    )


def judge_part(part: EvaluatedPart, policy: VerdictPolicy) -> Verdict:
    """The station's verdict on the part."""
    found = measure_detections(part.detections, policy, {}, part.sizes)
    return judge_detections(
        found, ViewCoverage(part.cameras, frame_sizes=part.sizes), policy
    ).verdict


def compute_verdict_figures(
    parts: Sequence[EvaluatedPart], policy: VerdictPolicy
) -> dict[str, Any]:
    """Shares with 95 % bounds: escapes among visibly bad, overkill among good, review among all parts."""
    verdicts = [(part, judge_part(part, policy)) for part in parts]
    bad = [verdict for part, verdict in verdicts if part.is_visibly_bad]
    good = [verdict for part, verdict in verdicts if part.is_good]
    bands = sorted({defect for part in parts for defect in part.true_defects})
    return {
        "escapes": _build_share(sum(v in PASSING_VERDICTS for v in bad), len(bad)),
        "overkill": _build_share(sum(v == "defect" for v in good), len(good)),
        "review": _build_share(sum(v == "review" for _, v in verdicts), len(verdicts)),
        "good_parts_reviewed": _build_share(sum(v == "review" for v in good), len(good)),
        "recall_by_band": {
            f"{label} {band}": {
                "visible": visible,
                **_build_share(
                    sum(
                        verdict not in PASSING_VERDICTS
                        for part, verdict in verdicts
                        if (label, band, visible) in part.true_defects
                    ),
                    sum((label, band, visible) in part.true_defects for part in parts),
                ),
            }
            for label, band, visible in bands
        },
    }


def _build_share(hits: int, of: int) -> dict[str, Any]:
    low, high = compute_share_bounds(hits, of)
    return {
        "count": hits,
        "of": of,
        "share": round(hits / of, 4) if of else None,
        "low_95": round(low, 4),
        "high_95": round(high, 4),
    }
