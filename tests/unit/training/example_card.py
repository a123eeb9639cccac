"""An example model card for the tests of training."""

from typing import Any

CARD: dict[str, Any] = {
    "plan": {"name": "bright", "width": 80, "height": 60, "preprocessing": "area-halves-1"},
    "training": {"epochs": 3, "best_epoch": 2, "seconds": 60},
    "thresholds": {"image": 0.6},
    "validation": {"f1": 0.9},
    "method": "classifier",
    "data": "spots",
    "precision": "fp32",
    "bytes": 1000,
    "digest": "0" * 64,
    "pictures": 8,
    "data_digest": "1" * 64,
    "seed": 1,
    "device": "cpu",
    "sightline_version": "0.1.0",
    "torch_version": "2",
    "exported_utc": "2026-01-01",
}
