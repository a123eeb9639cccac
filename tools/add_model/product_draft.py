"""A first product for a model: each trigger is a part, each label of the model a defect."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Json = dict[str, Any]
DEFAULT_TIERS = {"reject": 0.5, "review": 0.35, "keep": 0.2}
REVIEW_SHARE, KEEP_SHARE = 0.7, 0.4  # of the threshold for rejecting


def draft_product(name: str, models: Sequence[str], labels: Mapping[str, Json]) -> str:
    """The text of a product's file; `labels` has each label's tiers."""
    content = {
        "name": name,
        "version": "1",
        "models": list(models),
        "presence": "always",
        "defects": dict(labels),
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def choose_tiers(label: str, card_file: Path) -> Json:
    """The tiers that the model's card recommends, else from its threshold, else the defaults."""
    try:
        card = json.loads(card_file.read_bytes())
        recommended = (card.get("recommended_tiers") or {}).get(label)
        threshold = (card.get("thresholds") or {}).get("box")
    except (OSError, ValueError, AttributeError):
        return dict(DEFAULT_TIERS)
    if isinstance(recommended, dict):
        return {tier: recommended.get(tier, score) for tier, score in DEFAULT_TIERS.items()}
    if isinstance(threshold, int | float) and 0.05 <= threshold <= 1:
        return {
            "reject": round(threshold, 2),
            "review": round(threshold * REVIEW_SHARE, 2),
            "keep": round(threshold * KEEP_SHARE, 2),
        }
    return dict(DEFAULT_TIERS)
