"""Reading a data set in any supported format."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sightline.errors import PictureError
from training.datasets.class_folders import CLASS_LABELS, read_class_folders
from training.datasets.coco import find_coco_files, read_coco_files
from training.datasets.data_set import DataSet
from training.datasets.label_checks import check_labels
from training.datasets.lookout import find_manifests, read_lookout
from training.datasets.splits import SPLIT_WORDS
from training.datasets.voc import ANNOTATIONS_FOLDER, read_voc

DataSetReader = Callable[[Path], DataSet]


def _read_coco_folder(folder: Path) -> DataSet:
    files, unreadable = find_coco_files(folder)
    data_set = read_coco_files(folder, files)
    return replace(data_set, problems=(*unreadable, *data_set.problems))


DATA_SET_FORMATS: dict[str, DataSetReader] = {
    "coco": _read_coco_folder,
    "voc": read_voc,
    "lookout": read_lookout,
    "class-folders": read_class_folders,
}


def detect_format(folder: Path) -> str:
    """The format of a folder, by the files in it; PictureError lists the supported ones."""
    if not folder.is_dir():
        raise PictureError(f"{folder} is not a folder")
    coco, unreadable = find_coco_files(folder)
    if coco:
        return "coco"
    if any((folder / ANNOTATIONS_FOLDER).glob("*.xml")):
        return "voc"
    if find_manifests(folder):
        return "lookout"
    if any((folder / split / name).is_dir() for split in SPLIT_WORDS for name in CLASS_LABELS):
        return "class-folders"
    broken = "".join(f"\n  {problem}" for problem in unreadable)
    raise PictureError(
        f"{folder} is not a data set: no COCO file (*.json), no {ANNOTATIONS_FOLDER}/*.xml (Pascal VOC), no "
        f"manifest (*.manifest, *.jsonl), no train|test/normal|anomaly folders{broken}"
    )


def read_dataset(folder: Path, format: str = "", drop_bad_labels: bool = False) -> DataSet:
    """The folder's data set; PictureError lists bad labels unless they may be dropped."""
    chosen = format or detect_format(folder)
    if chosen not in DATA_SET_FORMATS:
        raise PictureError(f"format: found {chosen!r}; allowed are {', '.join(DATA_SET_FORMATS)}")
    data_set = DATA_SET_FORMATS[chosen](folder)
    if not data_set.pictures and not data_set.problems:
        raise PictureError(f"{folder} has no labelled pictures in the format {chosen}")
    return check_labels(data_set, drop_bad_labels)
