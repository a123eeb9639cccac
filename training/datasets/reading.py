"""A data set from a folder, whatever its format is."""

from collections.abc import Callable
from pathlib import Path

from sightline.errors import PictureError
from training.datasets.checks import checked
from training.datasets.coco import coco_files, read_coco_files
from training.datasets.dataset import DataSet
from training.datasets.folders import CLASSES, SPLITS, read_class_folders

Reader = Callable[[Path], DataSet]


def _read_coco(folder: Path) -> DataSet:
    return read_coco_files(folder, coco_files(folder))


FORMATS: dict[str, Reader] = {"coco": _read_coco, "class-folders": read_class_folders}


def format_of(folder: Path) -> str:
    """The format that a folder has by its looks; PictureError says what was looked for."""
    if coco_files(folder):
        return "coco"
    if any((folder / split / name).is_dir() for split in SPLITS for name in CLASSES):
        return "class-folders"
    raise PictureError(
        f"{folder} has no COCO file (*.json), no train|test/normal|anomaly folders: no data set"
    )


def read_dataset(folder: Path, format: str = "", drop_bad_labels: bool = False) -> DataSet:
    """The folder's pictures; PictureError lists bad labels, unless they are to be dropped."""
    chosen = format or format_of(folder)
    if chosen not in FORMATS:
        raise PictureError(f"format: found {chosen!r}; allowed are {', '.join(FORMATS)}")
    return checked(FORMATS[chosen](folder), drop_bad_labels)
