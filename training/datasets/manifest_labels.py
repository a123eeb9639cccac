"""The labels in one line of an Amazon manifest: of Lookout for Vision, and of Ground Truth jobs.

A job's label is at `NAME` (or `NAME-ref` for a mask) and `NAME-metadata`; `type` in the metadata tells its
kind. Lookout's names are `anomaly-label` and `anomaly-mask-ref`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sightline.errors import PictureError
from training.datasets.box_shapes import Box, parse_numbers
from training.datasets.class_words import describe_class_words, find_class_of
from training.datasets.data_set import UNKNOWN, ImageLabel

METADATA_END, REFERENCE_END = "-metadata", "-ref"
SOURCE_KEY = "source-ref"
LABEL_KEY = "anomaly-label"
CLASSIFICATION, DETECTION, SEGMENTATION = (
    "image-classification",
    "object-detection",
    "semantic-segmentation",
)
KINDS = (CLASSIFICATION, DETECTION, SEGMENTATION)
HEX_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class Job:
    """One job's label in a line."""

    name: str
    kind: str
    value: Any
    metadata: dict[str, Any]


def find_jobs(value: dict[str, Any]) -> list[Job]:
    """The jobs of a line that are read; PictureError for a label that would be passed over."""
    jobs = []
    for key, metadata in value.items():
        if key.endswith(METADATA_END):
            job = _build_job(key, metadata, value)
            if job:
                jobs.append(job)
        elif key.endswith(REFERENCE_END) and key != SOURCE_KEY and key + METADATA_END not in value:
            jobs.append(Job(key, SEGMENTATION, metadata, {}))
    if LABEL_KEY in value and LABEL_KEY + METADATA_END not in value:
        raise PictureError(
            f"{LABEL_KEY} is only a number ({value[LABEL_KEY]!r}), which Lookout for Vision does not define; "
            f'add "{LABEL_KEY}{METADATA_END}": {{"class-name": "normal"}} or "anomaly"'
        )
    if not jobs:
        metadata_keys = (f"{key}{METADATA_END}" for key in value)
        others = [
            key
            for key, there in zip(value, metadata_keys, strict=True)
            if key not in (SOURCE_KEY, "group", "split", "series")
            and not key.endswith(METADATA_END)
            and there not in value
        ]
        if others:
            raise PictureError(
                f"no label is read from {', '.join(others)}; expected is NAME{METADATA_END} with the type "
                f"{', '.join(KINDS)}"
            )
    return jobs


def _build_job(key: str, metadata: Any, value: dict[str, Any]) -> Job | None:
    name = key.removesuffix(METADATA_END)
    if not isinstance(metadata, dict):
        raise PictureError(f"{key} must be an object; found {metadata!r}")
    kind = str(metadata.get("type", "")).removeprefix("groundtruth/")
    if name == LABEL_KEY:
        kind = CLASSIFICATION
    elif name == "anomaly-mask-ref":
        kind = SEGMENTATION
    if kind not in KINDS:
        raise PictureError(
            f"{key}: the job type {metadata.get('type')!r} is not read; allowed are {', '.join(KINDS)}"
        )
    if "failure-reason" in metadata and name not in value:
        return None  # the job gave up on this picture: it has no label
    return Job(name, kind, value.get(name), metadata)


def parse_class(job: Job) -> ImageLabel:
    """Normal or anomaly, by the class name."""
    name = job.metadata.get("class-name")
    found = find_class_of(name) if isinstance(name, str) else None
    if found is None:
        raise PictureError(
            f"{job.name}{METADATA_END}/class-name: unknown class {name!r}; {describe_class_words()}"
        )
    return found


@dataclass(frozen=True)
class JobBoxes:
    """A detection job's boxes, and the size of the picture that was labelled (0 if unknown)."""

    width: int
    height: int
    boxes: tuple[tuple[str, Box], ...]


def parse_boxes(job: Job) -> JobBoxes:
    """The boxes of a detection job."""
    names = job.metadata.get("class-map")
    rows = job.value.get("annotations") if isinstance(job.value, dict) else None
    if not isinstance(names, dict) or not isinstance(rows, list):
        raise PictureError(
            f"{job.name} needs annotations, and {job.name}{METADATA_END} needs class-map"
        )
    sizes = job.value.get("image_size")
    first = sizes[0] if isinstance(sizes, list) and sizes and isinstance(sizes[0], dict) else {}
    sides = parse_numbers([first.get("width"), first.get("height")]) or [0.0, 0.0]
    return JobBoxes(int(sides[0]), int(sides[1]), tuple(_parse_rows(job, rows, names)))


def _parse_rows(job: Job, rows: list[Any], names: dict[str, Any]) -> Iterator[tuple[str, Box]]:
    for number, row in enumerate(rows):
        values = row if isinstance(row, dict) else {}
        label = names.get(str(values.get("class_id")))
        sides = parse_numbers([values.get(key) for key in ("left", "top", "width", "height")])
        if not isinstance(label, str) or not label or len(sides) != 4:
            raise PictureError(
                f"{job.name}/annotations/{number} needs left, top, width, height and a class_id of "
                f"class-map; found {row}"
            )
        yield label, (sides[0], sides[1], sides[2], sides[3])


def parse_colours(job: Job) -> dict[int, str]:
    """Label by colour (0xrrggbb) of a segmentation job."""
    entries = job.metadata.get("internal-color-map")
    if not isinstance(entries, dict):
        raise PictureError(f"{job.name}{METADATA_END}/internal-color-map is missing")
    found: dict[int, str] = {}
    for key, entry in entries.items():
        values = entry if isinstance(entry, dict) else {}
        colour, name = values.get("hex-color"), values.get("class-name")
        if (
            not isinstance(colour, str)
            or not HEX_COLOUR.fullmatch(colour)
            or not isinstance(name, str)
        ):
            raise PictureError(
                f"internal-color-map/{key} needs class-name and hex-color as #rrggbb; found {entry}"
            )
        if found.get(int(colour[1:], 16), name) != name:
            raise PictureError(
                f"internal-color-map has the colour {colour} twice; give each class its own"
            )
        found[int(colour[1:], 16)] = name
    return found


def combine_labels(labels: list[ImageLabel]) -> ImageLabel:
    """The one label of several jobs; PictureError if they contradict one another."""
    known = {label for label in labels if label != UNKNOWN}
    if len(known) > 1:
        raise PictureError(
            "its jobs contradict one another: normal and anomaly; keep the right label"
        )
    return known.pop() if known else UNKNOWN
