"""Pictures of parts from the evidence folder, and nothing else from anywhere."""

from pathlib import Path


def find_picture_path(folder: Path, key: str) -> Path | None:
    """The file of a key, or None: no such picture, no JPEG, or a way out of the folder."""
    if "\0" in key or not key.endswith(".jpg"):
        return None
    root = folder.resolve()
    try:
        path = (root / key).resolve()
        inside = path.is_relative_to(root) and path.is_file()
    except (OSError, RuntimeError):  # a name too long, a loop of links
        return None
    return path if inside else None
