"""Checkpoint files: method, plan and weights of a trained network, and facts about its training."""

from pathlib import Path

import msgspec
import torch

from sightline.errors import ConfigurationError, ModelError, SightlineError
from training.fitting.torch_files import load_torch_file
from training.methods.registry import find_method
from training.methods.training_method import Checkpoint
from training.plans.plan_files import decode_plan

CHECKPOINT_FILE, BEST_FILE = "checkpoint.pt", "best.pt"


def find_checkpoint_file(path: Path) -> Path:
    """The file itself; of a training's folder the newest of checkpoint and best epoch so far.

    ConfigurationError if the folder has neither.
    """
    if not path.is_dir():
        return path
    found = [path / name for name in (BEST_FILE, CHECKPOINT_FILE) if (path / name).is_file()]
    if not found:
        raise ConfigurationError(
            f"{path} has neither {CHECKPOINT_FILE} nor {BEST_FILE}: name the --out of a training, after its "
            "first epoch"
        )
    return max(found, key=lambda file: file.stat().st_mtime_ns)


def save_checkpoint(file: Path, checkpoint: Checkpoint) -> None:
    """Write method, plan, weights and facts into one file."""
    content = {
        "method": checkpoint.method,
        "plan": msgspec.json.encode(checkpoint.plan).decode(),
        "weights": checkpoint.network.state_dict(),
        "facts": checkpoint.facts,
    }
    draft = file.with_suffix(".new")
    torch.save(content, draft)
    draft.replace(file)


def load_checkpoint(file: Path) -> Checkpoint:
    """Read a file of `save_checkpoint`; ModelError if it is not one."""
    content = load_torch_file(file, torch.device("cpu"))
    try:
        method = find_method(content["method"])
        plan = decode_plan(method, content["plan"], str(file), ignore_unknown=True)
        network = method.build_network(plan)
        network.load_state_dict(content["weights"])
    except (RuntimeError, KeyError, ValueError, SightlineError) as error:
        raise ModelError(f"{file} is not a checkpoint: {error}") from error
    return Checkpoint(content["method"], plan, network.eval(), content["facts"])
