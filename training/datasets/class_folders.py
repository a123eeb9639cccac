"""Class folders: `train|test / normal|anomaly`, and optionally `labels.csv` with each picture's group.

Folders may be called by other words for good and bad parts, in any case, with splits or without. In
MVTec's layout, all folders beside `good` are kinds of defects, marked in `ground_truth/KIND/NAME_mask.png`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sightline.errors import PictureError
from training.datasets.class_labels_file import ClassLabels, read_class_labels
from training.datasets.class_words import describe_class_words, find_class_of
from training.datasets.data_folder import DataFolder
from training.datasets.data_set import (
    ANOMALY,
    NORMAL,
    DataSet,
    ImageLabel,
    LabelledPicture,
    LabelLocation,
    LabelProblem,
    SplitName,
    TrueBox,
)
from training.datasets.masks import MaskBoxes, read_white_mask
from training.datasets.splits import SPLIT_WORDS

GOOD_FOLDER, MASKS_FOLDER, MASK_END = "good", "ground_truth", "_mask"


@dataclass(frozen=True)
class _Place:
    """What the folders of a picture say."""

    split: SplitName
    class_folder: str
    folder: str  # the class folder's path


def has_class_folders(folder: DataFolder) -> bool:
    """Whether some pictures lie in a folder whose name says that they are normal or anomalous."""
    root = _find_root(folder)
    places = (_find_place(root, file) for file in folder.pictures)
    return any(place is not None and find_class_of(place.class_folder) for place in places)


def read_class_folders(folder: DataFolder) -> DataSet:
    """The pictures in class folders; unknown classes and rows without a file are problems."""
    reader = _ClassFolders(folder)
    pictures = [picture for file in folder.pictures for picture in reader.read(file)]
    order = list(dict.fromkeys(SPLIT_WORDS.values()))
    pictures.sort(key=lambda picture: order.index(picture.split) if picture.split else len(order))
    labels = dict.fromkeys(box.label for picture in pictures for box in picture.boxes)
    return DataSet(
        folder.folder.name,
        "mvtec" if reader.is_mvtec else "class-folders",
        tuple(pictures),
        tuple(sorted(labels)),
        (*reader.problems, *reader.rows.problems),
    )


class _ClassFolders:
    """Reads one picture after the other."""

    def __init__(self, folder: DataFolder) -> None:
        self.rows: ClassLabels = read_class_labels(folder)
        self.problems: list[LabelProblem] = []
        self._folder = folder
        self._root = _find_root(folder)
        self._unknown: set[str] = set()
        names = {
            place.class_folder.lower()
            for file in folder.pictures
            if (place := _find_place(self._root, file))
        }
        self._masks = {
            folder.name_of(file).lower(): file
            for file in folder.pictures
            if MASKS_FOLDER in folder.name_of(file).lower().split("/")
        }
        self.is_mvtec = GOOD_FOLDER in names and (
            bool(self._masks) or any(find_class_of(name) is None for name in names)
        )

    def read(self, file: Path) -> Iterator[LabelledPicture]:
        """The picture, if its folders give it a class."""
        place = _find_place(self._root, file)
        if place is None:
            return
        label = self._find_label(place)
        if label is None:
            if place.folder not in self._unknown:
                self._unknown.add(place.folder)
                text = f"unknown class {place.class_folder!r}; {describe_class_words()}: rename the folder"
                self.problems.append(LabelProblem(LabelLocation(place.folder), text))
            self._folder.mark_used(file)
            return
        self._folder.mark_used(file)
        try:
            yield self._build_picture(file, place, label)
        except PictureError as error:
            self.problems.append(LabelProblem(LabelLocation(str(file)), str(error)))

    def _find_label(self, place: _Place) -> ImageLabel | None:
        if self.is_mvtec:
            return NORMAL if place.class_folder.lower() == GOOD_FOLDER else ANOMALY
        return find_class_of(place.class_folder)

    def _build_picture(self, file: Path, place: _Place, label: ImageLabel) -> LabelledPicture:
        name = self._folder.name_of(file)
        group, source = self.rows.groups.get(name, ("", LabelLocation(str(file))))
        mask = self._read_mask(file, place) if label == ANOMALY and self._masks else None
        boxes = tuple(
            TrueBox(kind, box, source=source) for kind, box in (mask.boxes if mask else ())
        )
        width, height = (mask.width, mask.height) if mask else (0, 0)
        return LabelledPicture(
            file,
            width,
            height,
            boxes,
            group=group,
            split=place.split,
            label=label,
            source=source,
            name=name,
        )

    def _read_mask(self, file: Path, place: _Place) -> MaskBoxes:
        wanted = f"{MASKS_FOLDER}/{place.class_folder}/{file.stem}".lower()
        found = [
            mask
            for name, mask in self._masks.items()
            if name.rpartition(".")[0].endswith((wanted, wanted + MASK_END))
        ]
        if len(found) != 1:
            raise PictureError(
                f"found {len(found)} masks for {self._folder.name_of(file)}; expected "
                f"{MASKS_FOLDER}/{place.class_folder}/{file.stem}{MASK_END}.png"
            )
        self._folder.mark_used(found[0])
        mask = read_white_mask(found[0], place.class_folder)
        if not mask.boxes:
            raise PictureError(
                f"its mask {self._folder.name_of(found[0])} marks nothing; draw the defect white"
            )
        return mask


def _find_root(folder: DataFolder) -> Path:
    """The folder with the splits or classes: the data set's, or the only one in it that leads to pictures."""
    root = folder.folder
    while True:
        below = {
            file.relative_to(root).parts[:-1][:1]
            for file in folder.pictures
            if root in file.parents
        }
        names = {parts[0] for parts in below if parts}
        if len(names) != 1 or () in below:
            return root
        (name,) = names
        if name.lower() in SPLIT_WORDS or find_class_of(name) is not None:
            return root
        root /= name


def _find_place(root: Path, file: Path) -> _Place | None:
    """Split and class folder of a picture: SPLIT/CLASS, CLASS alone, or CLASS/SPLIT."""
    parts = file.relative_to(root).parts[:-1]
    if not parts or parts[0].lower() == MASKS_FOLDER:
        return None
    split = SPLIT_WORDS.get(parts[0].lower(), "")
    if split:
        if len(parts) < 2:
            return None
        return _Place(split, parts[1], str(root / parts[0] / parts[1]))
    below = SPLIT_WORDS.get(parts[1].lower(), "") if len(parts) > 1 else ""
    return _Place(below, parts[0], str(root / parts[0]))
