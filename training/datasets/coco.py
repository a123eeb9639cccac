"""COCO JSON: one or more files (`*train*.json`, `*test*.json`), beside the pictures or in other folders.

The files nearest to the data set's folder are read: its own, else those of its sub-folders (COCO's own
layout and CVAT's: `annotations/`; Roboflow's: `train/_annotations.coco.json`).
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sightline.errors import PictureError
from training.datasets.box_shapes import (
    bound_points,
    bound_run_lengths,
    parse_numbers,
    turn_rectangle,
)
from training.datasets.data_folder import DataFolder
from training.datasets.data_set import (
    SHARES,
    DataSet,
    LabelledPicture,
    LabelLocation,
    LabelProblem,
    ReadingNote,
    TrueBox,
    derive_label,
)
from training.datasets.json_label_files import SIDE_KINDS, JsonLabelFile
from training.datasets.json_positions import JsonEntry, locate_lists
from training.datasets.splits import find_split_in_name, parse_split

GROUP_KEYS = ("group", "series")
LISTS = ("images", "annotations", "categories")
AREA_TOLERANCE = 0.01
Names = dict[str, str]  # of categories, by id


def read_coco_files(folder: DataFolder, files: Sequence[JsonLabelFile]) -> DataSet:
    """One data set from the COCO files of a folder."""
    chosen, notes = _choose_files(folder, files)
    parts = [_CocoFile(folder, file).read() for file in chosen]
    return DataSet(
        name=folder.folder.name,
        format="coco",
        pictures=tuple(picture for part in parts for picture in part.pictures),
        labels=tuple(dict.fromkeys(label for part in parts for label in part.labels)),
        problems=tuple(problem for part in parts for problem in part.problems),
        notes=(*notes, *(note for part in parts for note in part.notes)),
    )


def _choose_files(
    folder: DataFolder, files: Sequence[JsonLabelFile]
) -> tuple[list[JsonLabelFile], list[ReadingNote]]:
    """The files that lie highest, and of COCO's own `instances_*` no captions or key points."""
    depths = {file.file: len(file.file.relative_to(folder.folder).parts) for file in files}
    highest = min(depths.values(), default=0)
    has_instances = any(file.file.name.startswith("instances") for file in files)
    chosen, notes = [], []
    for file in files:
        if depths[file.file] != highest:
            text = "COCO files in sub-folders of other COCO files: not read"
        elif has_instances and file.file.name.startswith(SIDE_KINDS):
            text = "COCO files that are no instances_*.json: not read"
        else:
            chosen.append(file)
            continue
        notes.append(ReadingNote(text, folder.name_of(file.file)))
    return chosen, notes


class _CocoFile:
    """Reads one file; a row that cannot be right is a problem, and so are all rows that need it."""

    def __init__(self, folder: DataFolder, file: JsonLabelFile) -> None:
        self._folder = folder
        self._file = file
        self._problems: list[LabelProblem] = []
        self._notes: list[ReadingNote] = []
        self._lost: set[str] = set()  # images that lost an annotation
        self._lost_all = False  # any image may have
        self._split = find_split_in_name(file.file.stem)
        if not self._split and file.file.parent != folder.folder:
            self._split = find_split_in_name(file.file.parent.name)

    def read(self) -> DataSet:
        """The file's pictures, labels and problems."""
        lists = self._read_lists()
        names = self._read_categories(lists["categories"])
        images = self._read_images(lists["images"])
        boxes = self._read_boxes(lists["annotations"], images, names)
        in_shares = _are_shares([box for each in boxes.values() for box in each])
        pictures = []
        for key, row in images.items():
            try:
                pictures.append(
                    self._build_picture(
                        row, boxes[key], key in self._lost or self._lost_all, in_shares
                    )
                )
            except PictureError as error:
                self._add_problem(row, f"image {row.value['id']}: {error}")
        labels = tuple(dict.fromkeys(names.values()))
        return DataSet(
            "", "coco", tuple(pictures), labels, tuple(self._problems), tuple(self._notes)
        )

    def _read_lists(self) -> dict[str, list[JsonEntry]]:
        found = locate_lists(self._file.text)
        lists = {}
        for name in LISTS:
            if name not in found:
                self._lost_all |= name == "annotations"
                kind = type(self._file.value.get(name)).__name__
                self._add_problem(None, f"the list {name!r} is missing; found {kind} in its place")
            rows = found.get(name, [])
            lists[name] = [row for row in rows if isinstance(row.value, dict)]
            for row in rows:
                if not isinstance(row.value, dict):
                    self._lost_all |= name == "annotations"
                    self._add_problem(row, f"{name} holds objects; found {row.value!r}")
        return lists

    def _read_categories(self, rows: Sequence[JsonEntry]) -> Names:
        names: Names = {}
        repeated: set[str] = set()
        for row in rows:
            key, name = _parse_id(row.value.get("id")), row.value.get("name")
            if not key or not isinstance(name, str) or not name.strip():
                self._add_problem(row, f"categories need id and name; found {row.value}")
            elif names.get(key, name) != name:
                self._add_problem(
                    row,
                    f"category {key} is {names[key]!r} and {name!r}; give each class its own id",
                )
                repeated.add(key)
            else:
                names[key] = name
        return {key: name for key, name in names.items() if key not in repeated}

    def _read_images(self, rows: Sequence[JsonEntry]) -> dict[str, JsonEntry]:
        images: dict[str, JsonEntry] = {}
        repeated: set[str] = set()
        for row in rows:
            key, name = _parse_id(row.value.get("id")), row.value.get("file_name")
            if not key or not isinstance(name, str) or not name.strip():
                self._add_problem(row, f"images need id and file_name; found {row.value}")
            elif key in images and images[key].value["file_name"] == name:
                self._notes.append(ReadingNote("an image listed twice: read once", name))
            elif key in images:
                first = images[key]
                self._add_problem(
                    row,
                    f"the image id {key} is there twice, for {first.value['file_name']} (line {first.line}) "
                    f"and {name}; renumber one file before merging",
                )
                repeated.add(key)
            else:
                images[key] = row
        for key in repeated:
            self._add_problem(
                images[key], f"the image id {key} is there twice: {images[key].value['file_name']}"
            )
        self._repeated = repeated
        return {key: row for key, row in images.items() if key not in repeated}

    def _read_boxes(
        self, rows: Sequence[JsonEntry], images: dict[str, JsonEntry], names: Names
    ) -> dict[str, list[TrueBox]]:
        boxes: dict[str, list[TrueBox]] = defaultdict(list)
        for row in rows:
            key = _parse_id(row.value.get("image_id"))
            if key in self._repeated:
                continue  # named already
            try:
                _check_references(row.value, images, names)
                boxes[key].append(self._parse_box(row, names))
            except PictureError as error:
                self._add_problem(row, f"annotation {row.value.get('id')}{error}")
                self._lost.add(key)
        return boxes

    def _parse_box(self, row: JsonEntry, names: Names) -> TrueBox:
        value = row.value
        visible = value.get("visible", not value.get("iscrowd", 0))
        return TrueBox(
            names[_parse_id(value["category_id"])],
            _find_box(value),
            str(value.get("severity", "")),
            bool(visible),
            LabelLocation(str(self._file.file), row.line, row.column),
        )

    def _build_picture(
        self, row: JsonEntry, boxes: Sequence[TrueBox], lost_labels: bool, in_shares: bool
    ) -> LabelledPicture:
        value = row.value
        width, height = (_parse_length(key, value.get(key)) for key in ("width", "height"))
        part_number = _parse_part_number(value.get("part_number"))
        split = parse_split(value.get("split")) or self._split
        file = self._folder.find_picture(str(value["file_name"]), self._file.file, split)
        group = next(
            (str(value[key]) for key in GROUP_KEYS if value.get(key) not in (None, "")), ""
        )
        return LabelledPicture(
            file,
            SHARES if in_shares else width,
            SHARES if in_shares else height,
            tuple(boxes),
            str(value.get("camera", "")),
            part_number,
            group or (f"part {part_number}" if part_number else ""),
            split,
            derive_label(boxes, lost_labels),
            LabelLocation(str(self._file.file), row.line, row.column),
            self._folder.name_of(file),
            lost_labels,
        )

    def _add_problem(self, row: JsonEntry | None, text: str) -> None:
        line, column = (row.line, row.column) if row else (0, 0)
        self._problems.append(LabelProblem(LabelLocation(str(self._file.file), line, column), text))


def _check_references(value: dict[str, Any], images: dict[str, JsonEntry], names: Names) -> None:
    """PictureError goes on after `annotation 3`."""
    if _parse_id(value.get("image_id")) not in images:
        raise PictureError(f" refers to image {value.get('image_id')}, which is not listed")
    if _parse_id(value.get("category_id")) not in names:
        allowed = ", ".join(f"{number} ({name})" for number, name in names.items())
        raise PictureError(
            f" has the unknown class {value.get('category_id')}; known are {allowed or 'none'}"
        )


def _find_box(value: dict[str, Any]) -> tuple[float, float, float, float]:
    """The box, or the box around the segmentation; PictureError goes on after `annotation 3`."""
    box = value.get("bbox")
    if not box and value.get("segmentation"):
        return _bound_segmentation(value["segmentation"])
    numbers = parse_numbers(box)
    if len(numbers) != 4:
        raise PictureError(f": bbox must be four numbers; found {box}")
    x, y, width, height = numbers
    attributes = value.get("attributes")
    rotation = attributes.get("rotation") if isinstance(attributes, dict) else 0
    if isinstance(rotation, int | float) and rotation:  # CVAT: the box is that before the rotation
        return turn_rectangle((x, y, width, height), rotation, (0.5, 0.5))
    area = value.get("area")
    if isinstance(area, int | float) and not value.get("segmentation") and area > 0:
        corners = (width - x) * (height - y)
        if _are_alike(area, corners) and not _are_alike(area, width * height):
            raise PictureError(
                f": bbox must be x, y, width, height; found {box}, but its area of {area:g} is that of "
                "two corners"
            )
    return x, y, width, height


def _bound_segmentation(shape: Any) -> tuple[float, float, float, float]:
    if isinstance(shape, dict):
        return bound_run_lengths(shape)
    polygons = shape if isinstance(shape, list) and isinstance(shape[0], list) else [shape]
    numbers = [parse_numbers(polygon) for polygon in polygons]
    if not all(len(one) >= 6 and len(one) % 2 == 0 for one in numbers):
        raise PictureError(
            ": there is no bbox, and segmentation is no list of polygons x1, y1, x2, y2, ..."
        )
    return bound_points(
        [point for one in numbers for point in zip(one[::2], one[1::2], strict=True)]
    )


def _are_alike(one: float, other: float) -> bool:
    return abs(one - other) <= AREA_TOLERANCE * max(abs(one), abs(other))


def _are_shares(boxes: Sequence[TrueBox]) -> bool:
    """Whether all boxes lie within 0 to 1, and are not all whole: smaller than a pixel, so shares."""
    numbers = [number for box in boxes for number in box.box]
    within = all(0 <= number <= 1 for number in numbers)
    return within and any(number % 1 for number in numbers)


def _parse_id(value: Any) -> str:
    """An id as text: 1, 1.0 and "1" are one; an empty text if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _parse_length(key: str, value: Any) -> int:
    """A side of the picture; 0 if the file does not say."""
    if value is None or value == "":
        return 0
    numbers = parse_numbers([value])
    if not numbers or numbers[0] < 0:
        raise PictureError(f"{key} must be a number of pixels; found {value!r}")
    return round(numbers[0])


def _parse_part_number(value: Any) -> int:
    if value is None or value == "":
        return 0
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or value != int(value)
        or value < 0
    ):
        raise PictureError(
            f"part_number must be a whole number; found {value!r}: write a name of the part into group"
        )
    return int(value)
