"""What each threshold would cost: escapes and scrapped good parts, at the user's prices. Pure."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.evaluation.image_level import Flags

REPORT_ROWS = 25  # of the table in the report


@dataclass(frozen=True)
class ErrorPrices:
    """What an anomaly that passes costs, against a good part that is scrapped; in the user's money."""

    escape: float = 100.0
    scrap: float = 1.0


def sweep_thresholds(
    truth: Flags, scores: NDArray[np.float64], prices: ErrorPrices
) -> list[dict[str, Any]]:
    """One row for each threshold that changes anything, lowest first; the last one calls all normal."""
    cuts = np.unique(scores)
    thresholds = [
        *(float(cut) for cut in cuts),
        float(np.nextafter(cuts[-1], 2)) if len(cuts) else 1.0,
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
    """The row of least cost, in the middle of those that cost the same; rows are not empty."""
    least = min(row["cost"] for row in rows)
    same = [row for row in rows if row["cost"] == least]
    return same[len(same) // 2]


def thin_rows(rows: list[dict[str, Any]], *kept: dict[str, Any]) -> list[dict[str, Any]]:
    """Some rows of a long table, evenly, with the given ones among them."""
    step = max(1, len(rows) // REPORT_ROWS)
    chosen = [*rows[::step], rows[-1], *kept]
    return sorted(
        {row["threshold"]: row for row in chosen}.values(), key=lambda row: row["threshold"]
    )
