"""A data set from a folder, whatever its format is."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sightline.errors import PictureError
from training.datasets.checks import checked
from training.datasets.coco import coco_files, read_coco_files
from training.datasets.dataset import DataSet
from training.datasets.folders import CLASSES, read_class_folders
from training.datasets.lookout import manifests, read_lookout
from training.datasets.splits import SPLIT_WORDS
from training.datasets.voc import ANNOTATIONS, read_voc

Reader = Callable[[Path], DataSet]


def _read_coco(folder: Path) -> DataSet:
    files, unreadable = coco_files(folder)
    found = read_coco_files(folder, files)
    return replace(found, problems=(*unreadable, *found.problems))


FORMATS: dict[str, Reader] = {
    "coco": _read_coco,
    "voc": read_voc,
    "lookout": read_lookout,
    "class-folders": read_class_folders,
}


def format_of(folder: Path) -> str:
    """The format that a folder has by its looks; PictureError says what was looked for."""
    if not folder.is_dir():
        raise PictureError(f"{folder} is no folder")
    coco, unreadable = coco_files(folder)
    if coco:
        return "coco"
    if any((folder / ANNOTATIONS).glob("*.xml")):
        return "voc"
    if manifests(folder):
        return "lookout"
    if any((folder / split / name).is_dir() for split in SPLIT_WORDS for name in CLASSES):
        return "class-folders"
    broken = "".join(f"\n  {problem}" for problem in unreadable)
    raise PictureError(
        f"{folder} is no data set: no COCO file (*.json), no {ANNOTATIONS}/*.xml (Pascal VOC), no "
        f"manifest (*.manifest, *.jsonl), no train|test/normal|anomaly folders{broken}"
    )


def read_dataset(folder: Path, format: str = "", drop_bad_labels: bool = False) -> DataSet:
    """The folder's pictures; PictureError lists bad labels, unless they are to be dropped."""
    chosen = format or format_of(folder)
    if chosen not in FORMATS:
        raise PictureError(f"format: found {chosen!r}; allowed are {', '.join(FORMATS)}")
    found = FORMATS[chosen](folder)
    if not found.pictures and not found.problems:
        raise PictureError(f"{folder} has no pictures with labels in the format {chosen}")
    return checked(found, drop_bad_labels)
