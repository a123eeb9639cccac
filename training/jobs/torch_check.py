"""Whether PyTorch is there, asked only where it is needed: options and --help need none."""

from importlib.util import find_spec

from sightline.errors import ConfigurationError


def require_torch(command: str) -> None:
    """ConfigurationError with what to do if PyTorch is not installed."""
    try:
        found = find_spec("torch") is not None
    except ValueError:  # blocked in sys.modules
        found = False
    if not found:
        raise ConfigurationError(
            f"{command} needs PyTorch, which is not installed here: run make training-environment"
        )
