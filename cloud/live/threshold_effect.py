"""What other thresholds would have made of the last parts, by what their records say. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from sightline.messaging.messages import ThresholdBasis, Verdict
from sightline.storage.products import LabelTiers
from sightline.vision.threshold_basis import judge_by_basis

UNSEEN_VERDICTS = frozenset({"missed"})  # no model saw the part


class RecordedPart(msgspec.Struct, frozen=True):
    """What is read of a record."""

    recordId: str = ""
    product: str = ""
    policyVersion: str = ""
    verdict: str = ""
    thresholdBasis: ThresholdBasis | None = None


@dataclass(frozen=True)
class ProductTiers:
    """The thresholds in force of a product and version."""

    product: str
    version: str
    tiers: Mapping[str, LabelTiers]

    @property
    def base_version(self) -> str:
        """The version without the count of the changes by command."""
        return self.version.partition("+")[0]


@dataclass(frozen=True)
class VerdictChange:
    """Parts that the present thresholds judge `before` and the new ones `after`, newest first."""

    before: Verdict
    after: Verdict
    bodies: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ThresholdEffect:
    """Of `parts`, which verdicts would change, how many would not, and of how many nothing is known.

    `unknown` parts need scores below those that the station looks at, or their records have no scores.
    """

    parts: int
    unchanged: int
    unknown: int
    changes: tuple[VerdictChange, ...]


def select_parts(bodies: Iterable[str], present: ProductTiers, limit: int) -> list[str]:
    """The records, at most `limit`, of parts of this product and version that models saw."""
    chosen: list[str] = []
    for body in bodies:
        part = _read_part(body)
        if part is None or part.product != present.product or part.verdict in UNSEEN_VERDICTS:
            continue
        if part.policyVersion.partition("+")[0] == present.base_version:
            chosen.append(body)
        if len(chosen) == limit:
            break
    return chosen


def compute_effect(
    bodies: Sequence[str], present: Mapping[str, LabelTiers], after: Mapping[str, LabelTiers]
) -> ThresholdEffect:
    """Judge each part by the present thresholds and by the new ones."""
    changes: dict[tuple[Verdict, Verdict], VerdictChange] = {}
    unchanged = unknown = 0
    for body in bodies:
        part = _read_part(body)
        basis = part.thresholdBasis if part is not None else None
        was = judge_by_basis(basis, present) if basis is not None else None
        becomes = judge_by_basis(basis, after) if basis is not None else None
        if was is None or becomes is None:
            unknown += 1
        elif was == becomes:
            unchanged += 1
        else:
            changes.setdefault((was, becomes), VerdictChange(was, becomes)).bodies.append(body)
    ranked = sorted(changes.values(), key=lambda change: -len(change.bodies))
    return ThresholdEffect(len(bodies), unchanged, unknown, tuple(ranked))


def _read_part(body: str) -> RecordedPart | None:
    try:
        return msgspec.json.decode(body, type=RecordedPart)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
