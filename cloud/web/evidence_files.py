"""Finds pictures of parts in the evidence folder, and only there."""

from pathlib import Path


def find_picture_path(folder: Path, key: str) -> Path | None:
    """The file of a key; None if there is none, it is no JPEG, or it lies outside the folder."""
    if "\0" in key or not key.endswith(".jpg"):
        return None
    root = folder.resolve()
    try:
        path = (root / key).resolve()
        inside = path.is_relative_to(root) and path.is_file()
    except (OSError, RuntimeError):  # a name too long, a loop of links
        return None
    return path if inside else None
