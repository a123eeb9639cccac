"""Reading a data set in any supported format."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sightline.errors import PictureError
from training.datasets.class_folders import has_class_folders, read_class_folders
from training.datasets.coco import read_coco_files
from training.datasets.cvat import find_cvat_files, read_cvat
from training.datasets.data_folder import DataFolder
from training.datasets.data_set import DataSet, ReadingNote
from training.datasets.json_label_files import (
    COCO,
    LABEL_STUDIO,
    LABELME,
    UNREAD_TOOLS,
    JsonLabelFiles,
    find_json_labels,
)
from training.datasets.label_checks import check_labels
from training.datasets.label_sizes import ExifBoxes
from training.datasets.label_studio import read_label_studio
from training.datasets.labelme import read_labelme
from training.datasets.lookout import find_manifests, read_lookout
from training.datasets.voc import has_voc_files, read_voc
from training.datasets.yolo import has_yolo_labels, read_yolo

CLASS_FOLDERS = "class-folders"
JSON_FORMATS = (COCO, LABELME, LABEL_STUDIO)
HINTS = {
    ".zip": "unpack the archive",
    ".tfrecord": "TFRecord is not read: export COCO or Pascal VOC",
    ".csv": "a table of boxes is not read: export COCO or Pascal VOC",
    ".parquet": "Parquet is not read: export COCO or Pascal VOC",
}
DataSetReader = Callable[[DataFolder, JsonLabelFiles], DataSet]
DATA_SET_FORMATS: dict[str, DataSetReader] = {
    COCO: lambda folder, labels: read_coco_files(folder, labels.files_of(COCO)),
    "voc": lambda folder, _: read_voc(folder),
    "lookout": lambda folder, _: read_lookout(folder),
    "yolo": lambda folder, _: read_yolo(folder),
    LABELME: lambda folder, labels: read_labelme(folder, labels.files_of(LABELME)),
    LABEL_STUDIO: lambda folder, labels: read_label_studio(folder, labels.files_of(LABEL_STUDIO)),
    "cvat": lambda folder, _: read_cvat(folder),
    CLASS_FOLDERS: lambda folder, _: read_class_folders(folder),
}
EXPECTED_FILES = (
    "a COCO file (*.json), Annotations/*.xml (Pascal VOC), a manifest (*.manifest, *.jsonl), labels/*.txt "
    "(YOLO), LabelMe or Label Studio JSON, annotations.xml (CVAT), or train|test/normal|anomaly folders"
)


def read_dataset(
    folder: Path, format: str = "", drop_bad_labels: bool = False, exif_boxes: ExifBoxes = ""
) -> DataSet:
    """The folder's data set; PictureError lists bad labels unless they may be dropped."""
    if not folder.is_dir():
        raise PictureError(f"{folder} is not a folder")
    if format and format not in DATA_SET_FORMATS:
        raise PictureError(f"format: found {format!r}; allowed are {', '.join(DATA_SET_FORMATS)}")
    files = DataFolder(folder)
    labels = find_json_labels(files)
    chosen = format or _detect_format(files, labels)
    data_set = DATA_SET_FORMATS[chosen](files, labels)
    problems, notes = (
        data_set.problems,
        [*files.notes, *data_set.notes, *_list_unread(files, labels)],
    )
    if chosen in JSON_FORMATS:
        problems = (*labels.problems, *problems)
    else:
        notes += [
            ReadingNote("JSON files that cannot be read", str(one)) for one in labels.problems
        ]
    if not data_set.pictures and not problems:
        why = "; ".join(dict.fromkeys(note.text for note in notes)) or _describe(files)
        raise PictureError(f"{folder} has no labelled pictures in the format {chosen}: {why}")
    return check_labels(
        replace(data_set, problems=tuple(problems), notes=tuple(notes)), drop_bad_labels, exif_boxes
    )


def _detect_format(folder: DataFolder, labels: JsonLabelFiles) -> str:
    """The format of a folder, by the files in it; PictureError if there is none, or several."""
    found = {tool: bool(labels.files_of(tool)) for tool in JSON_FORMATS}
    found |= {
        "voc": has_voc_files(folder),
        "cvat": bool(find_cvat_files(folder)),
        "lookout": any(file.parent == folder.folder for file in find_manifests(folder)),
        "yolo": has_yolo_labels(folder),
    }
    formats = [name for name, there in found.items() if there]
    if len(formats) > 1:
        raise PictureError(
            f"{folder.folder} has labels in several formats, {' and '.join(formats)}; choose one with "
            "--format"
        )
    if formats:
        return formats[0]
    if find_manifests(folder):
        return "lookout"
    if has_class_folders(folder):
        return CLASS_FOLDERS
    broken = "".join(f"\n  {problem}" for problem in labels.problems)
    tools = "".join(
        f"\n  {one.file} is of {what}"
        for tool, what in UNREAD_TOOLS.items()
        for one in labels.files_of(tool)[:1]
    )
    raise PictureError(
        f"{folder.folder} is not a data set: expected is {EXPECTED_FILES}; {_describe(folder)}{tools}{broken}"
    )


def _describe(folder: DataFolder) -> str:
    """What a folder holds, for errors."""
    suffixes = Counter(file.suffix.lower() or "no suffix" for file in folder.files)
    shown = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common(6))
    hints = [hint for suffix, hint in HINTS.items() if suffix in suffixes]
    hints += dict.fromkeys(note.text for note in folder.notes)
    entries = sorted(folder.folder.iterdir())
    below = [entry.name for entry in entries if _holds_classes(entry)]
    if below:
        hints.append(
            f"its sub-folders {', '.join(below[:3])} may be data sets: choose one with --data"
        )
    return "; ".join([f"found files: {shown}" if shown else "it is empty", *hints])


def _holds_classes(folder: Path) -> bool:
    return folder.is_dir() and has_class_folders(DataFolder(folder))


def _list_unread(folder: DataFolder, labels: JsonLabelFiles) -> list[ReadingNote]:
    """Notes of pictures that no label names, and of labels of tools that are not read."""
    notes = [
        ReadingNote("pictures without a label: not read", folder.name_of(file))
        for file in folder.list_unused()
    ]
    for tool, what in UNREAD_TOOLS.items():
        notes += [
            ReadingNote(f"not read: {what}", folder.name_of(one.file))
            for one in labels.files_of(tool)
        ]
    return notes
