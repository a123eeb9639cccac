"""What `torch.save` wrote, read again."""

import pickle
from pathlib import Path
from typing import Any

import torch

from sightline.errors import ModelError


def load_torch_file(file: Path, device: torch.device) -> dict[str, Any]:
    """The entries of a file; ModelError if it is cut off or none of these."""
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
        raise ModelError(f"{file} cannot be read: {found}") from error
