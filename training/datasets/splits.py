"""The words for splits in labels, file names, folders and options. Pure."""

import re
from pathlib import PurePosixPath
from typing import Any

from sightline.errors import PictureError
from training.datasets.data_set import SplitName

SPLIT_WORDS: dict[str, SplitName] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}
SPLIT_CHOICES: dict[str, SplitName] = {**SPLIT_WORDS, "none": ""}  # for command lines
NAME_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


def parse_split(value: Any) -> SplitName:
    """The split of a label, empty if it has none; PictureError for an unknown word."""
    if value in (None, ""):
        return ""
    if not isinstance(value, str) or value.lower() not in SPLIT_WORDS:
        raise PictureError(f"unknown split {value!r}; known are {', '.join(SPLIT_WORDS)}")
    return SPLIT_WORDS[value.lower()]


def find_split_in_path(path: str) -> SplitName:
    """The split of the folder that is called like one; empty if there is none, or several."""
    found = {
        split for part in PurePosixPath(path).parent.parts if (split := find_split_in_name(part))
    }
    return found.pop() if len(found) == 1 else ""


def find_split_in_name(text: str) -> SplitName:
    """The split that is a whole word of a file or folder name; empty if there is none, or several."""
    words = {word.lower() for word in NAME_WORD.findall(text)}
    found = {SPLIT_WORDS[word] for word in words & SPLIT_WORDS.keys()}
    return found.pop() if len(found) == 1 else ""
