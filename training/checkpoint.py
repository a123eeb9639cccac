"""A trained network on disk: its plan, its weights, and what they were trained on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch

from sightline.errors import ModelError
from training.models.ssd import SsdLite, Widths
from training.plans import DetectorPlan


@dataclass(frozen=True)
class Checkpoint:
    """A network in evaluation mode, with its plan and facts of its training."""

    plan: DetectorPlan
    network: SsdLite
    facts: dict[str, Any]


def new_network(plan: DetectorPlan) -> SsdLite:
    """The plan's network with fresh weights."""
    return SsdLite(len(plan.labels), plan.anchors, Widths(*plan.channels))


def save_checkpoint(
    file: Path, plan: DetectorPlan, network: SsdLite, facts: dict[str, Any]
) -> None:
    """Write plan, weights and facts into one file."""
    content = {
        "plan": msgspec.json.encode(plan).decode(),
        "weights": network.state_dict(),
        "facts": facts,
    }
    draft = file.with_suffix(".new")
    torch.save(content, draft)
    draft.replace(file)


def load_checkpoint(file: Path) -> Checkpoint:
    """Read what `save_checkpoint` wrote; ModelError if it is none."""
    try:
        content = torch.load(file, weights_only=True)
        plan = msgspec.json.decode(content["plan"], type=DetectorPlan)
        network = new_network(plan)
        network.load_state_dict(content["weights"])
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise ModelError(f"{file} is no checkpoint of a detector: {error}") from error
    return Checkpoint(plan, network.eval(), content["facts"])
