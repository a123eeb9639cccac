"""The words for the parts of a data set: one table for labels, file names, folders and options. Pure."""

import re
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
SPLIT_CHOICES: dict[str, SplitName] = {**SPLIT_WORDS, "none": ""}  # of a command line
NAME_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


def parse_split(value: Any) -> SplitName:
    """The split that a label names, or none; PictureError if it is no word for one."""
    if value in (None, ""):
        return ""
    if not isinstance(value, str) or value.lower() not in SPLIT_WORDS:
        raise PictureError(f"the unknown split {value!r}; known are {', '.join(SPLIT_WORDS)}")
    return SPLIT_WORDS[value.lower()]


def find_split_in_name(text: str) -> SplitName:
    """The split that a file's or folder's name tells of by a whole word; none if it tells of several."""
    words = {word.lower() for word in NAME_WORD.findall(text)}
    found = {SPLIT_WORDS[word] for word in words & SPLIT_WORDS.keys()}
    return found.pop() if len(found) == 1 else ""
