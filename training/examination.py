"""What the verdicts on parts of known truth come to: escapes, overkill, review, recall by band. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inference.acceptance import sized
from inference.configuration import Policy
from inference.policy import Sight, judge
from sightline.messages import Detection, Verdict
from training.datasets import Picture
from training.intervals import share_bounds

PASSED: tuple[Verdict, ...] = ("ok", "empty")


@dataclass(frozen=True)
class ExaminedPart:
    """One part: its planted defects as (label, band, visible), and what the detectors found."""

    part_number: int
    cameras: tuple[str, ...]
    planted: frozenset[tuple[str, str, bool]]
    detections: tuple[Detection, ...]
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # of the frames, by camera

    @property
    def is_good(self) -> bool:
        """Whether nothing was planted."""
        return not self.planted

    @property
    def is_visibly_bad(self) -> bool:
        """Whether a defect of a visible band was planted."""
        return any(visible for _, _, visible in self.planted)


def planted_on(pictures: Sequence[Picture], policy: Policy) -> frozenset[tuple[str, str, bool]]:
    """The defects on a part's pictures."""
    return frozenset(
        (box.label, box.severity, box.visible)
        for picture in pictures
        for box in picture.boxes
        if box.label in policy.defects
    )


def verdict_of(part: ExaminedPart, policy: Policy) -> Verdict:
    """The station's verdict on the part."""
    found = sized(part.detections, policy, {}, part.sizes)
    return judge(found, Sight(part.cameras, sizes=part.sizes), policy).verdict


def figures(parts: Sequence[ExaminedPart], policy: Policy) -> dict[str, Any]:
    """Shares with 95 % bounds: escapes of the visibly bad, overkill of the good, review of all."""
    verdicts = [(part, verdict_of(part, policy)) for part in parts]
    bad = [verdict for part, verdict in verdicts if part.is_visibly_bad]
    good = [verdict for part, verdict in verdicts if part.is_good]
    bands = sorted({defect for part in parts for defect in part.planted})
    return {
        "escapes": _share(sum(v in PASSED for v in bad), len(bad)),
        "overkill": _share(sum(v == "defect" for v in good), len(good)),
        "review": _share(sum(v == "review" for _, v in verdicts), len(verdicts)),
        "good_parts_reviewed": _share(sum(v == "review" for v in good), len(good)),
        "recall_by_band": {
            f"{label} {band}": {
                "visible": visible,
                **_share(
                    sum(
                        verdict not in PASSED
                        for part, verdict in verdicts
                        if (label, band, visible) in part.planted
                    ),
                    sum((label, band, visible) in part.planted for part in parts),
                ),
            }
            for label, band, visible in bands
        },
    }


def _share(hits: int, of: int) -> dict[str, Any]:
    low, high = share_bounds(hits, of)
    return {
        "count": hits,
        "of": of,
        "share": round(hits / of, 4) if of else None,
        "low_95": round(low, 4),
        "high_95": round(high, 4),
    }
