"""The cost of each threshold: escapes and scrapped good parts at the user's prices. Pure."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.evaluation.image_level import Flags

REPORT_ROWS = 25  # of the table in the report


@dataclass(frozen=True)
class ErrorPrices:
    """The cost of an escape and of a scrapped good part, in the same currency."""

    escape: float = 100.0
    scrap: float = 1.0


def sweep_thresholds(
    truth: Flags, scores: NDArray[np.float64], prices: ErrorPrices
) -> list[dict[str, Any]]:
    """One row for each distinct threshold, lowest first; the last one calls all normal."""
    distinct = np.unique(scores)
    thresholds = [
        *(float(score) for score in distinct),
        float(np.nextafter(distinct[-1], 2)) if len(distinct) else 1.0,
    ]
    bad, good = np.sort(scores[truth]), np.sort(scores[~truth])
    escapes = np.searchsorted(bad, thresholds, side="left")
    overkill = len(good) - np.searchsorted(good, thresholds, side="left")
    return [
        {
            "threshold": threshold,
            "escapes": int(escaped),
            "overkill": int(scrapped),
            "cost": float(escaped * prices.escape + scrapped * prices.scrap),
        }
        for threshold, escaped, scrapped in zip(thresholds, escapes, overkill, strict=True)
    ]


def find_cheapest(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The row with the lowest cost, the middle one if several cost the same; rows must not be empty."""
    least = min(row["cost"] for row in rows)
    same = [row for row in rows if row["cost"] == least]
    return same[len(same) // 2]


def thin_rows(rows: list[dict[str, Any]], *kept: dict[str, Any]) -> list[dict[str, Any]]:
    """Evenly spaced rows of a long table, with the `kept` rows."""
    step = max(1, len(rows) // REPORT_ROWS)
    chosen = [*rows[::step], rows[-1], *kept]
    return sorted(
        {row["threshold"]: row for row in chosen}.values(), key=lambda row: row["threshold"]
    )
