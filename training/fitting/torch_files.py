"""Reading files of `torch.save`."""

import pickle
from pathlib import Path
from typing import Any

import torch

from sightline.errors import ModelError


def load_torch_file(file: Path, device: torch.device) -> dict[str, Any]:
    """The entries of a file; ModelError if it is truncated or not a PyTorch file."""
    try:
        return dict(torch.load(file, weights_only=True, map_location=device))
    except (
        OSError,
        EOFError,
        RuntimeError,
        ValueError,
        TypeError,
        pickle.UnpicklingError,
    ) as error:
        found = f"{type(error).__name__}: {error}"
        raise ModelError(f"Cannot read {file}: {found}") from error
