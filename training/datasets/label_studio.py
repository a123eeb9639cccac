"""Label Studio's JSON and JSON-MIN: a list of tasks; shapes are in percent of the picture."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sightline.errors import PictureError
from training.datasets.box_shapes import Box, bound_points, parse_numbers, turn_rectangle
from training.datasets.class_words import find_class_of
from training.datasets.data_folder import DataFolder
from training.datasets.data_set import (
    UNKNOWN,
    DataSet,
    ImageLabel,
    LabelledPicture,
    LabelLocation,
    LabelProblem,
    ReadingNote,
    TrueBox,
    derive_label,
)
from training.datasets.json_label_files import JsonLabelFile
from training.datasets.json_positions import locate_rows
from training.datasets.manifest_labels import combine_labels
from training.datasets.splits import find_split_in_name

SHAPE_KEYS = ("rectanglelabels", "polygonlabels", "ellipselabels", "labels")
UNLABELLED = "tasks of Label Studio without an annotation: not read"


@dataclass(frozen=True)
class _Region:
    """One shape or choice of a task: its label, and its box in pixels if it is a shape."""

    label: str
    width: int
    height: int
    box: Box | None


def read_label_studio(folder: DataFolder, files: Sequence[JsonLabelFile]) -> DataSet:
    """The pictures of all tasks with an annotation."""
    pictures: list[LabelledPicture] = []
    problems, notes = [], []
    for file in files:
        for row in locate_rows(file.text):
            source = LabelLocation(str(file.file), row.line, row.column)
            try:
                picture = _read_task(folder, file, row.value, source)
            except PictureError as error:
                problems.append(LabelProblem(source, str(error)))
                continue
            if picture is None:
                notes.append(ReadingNote(UNLABELLED, str(source)))
            else:
                pictures.append(picture)
    labels = sorted({box.label for picture in pictures for box in picture.boxes})
    return DataSet(
        folder.folder.name,
        "label-studio",
        tuple(pictures),
        tuple(labels),
        tuple(problems),
        tuple(notes),
    )


def _read_task(
    folder: DataFolder, file: JsonLabelFile, task: dict[str, Any], source: LabelLocation
) -> LabelledPicture | None:
    name = _find_picture_name(task)
    regions = _find_regions(task)
    if regions is None:
        return None
    found = folder.find_picture("/" + name.rpartition("/")[2].rpartition("?d=")[2], file.file)
    shapes = [region for region in regions if region.box is not None]
    boxes = [TrueBox(region.label, region.box, source=source) for region in shapes if region.box]
    choices = [find_class_of(region.label) or UNKNOWN for region in regions if region.box is None]
    label: ImageLabel = combine_labels(choices) or derive_label(boxes)
    sizes = {(region.width, region.height) for region in shapes}
    if len(sizes) > 1:
        raise PictureError(f"its shapes are of pictures of different sizes: {sorted(sizes)}")
    width, height = sizes.pop() if sizes else (0, 0)
    return LabelledPicture(
        found,
        width,
        height,
        tuple(boxes),
        split=find_split_in_name(file.file.stem),
        label=label,
        source=source,
        name=folder.name_of(found),
    )


def _find_picture_name(task: dict[str, Any]) -> str:
    data = task.get("data")
    values = data if isinstance(data, dict) else task
    texts = [value for key, value in values.items() if isinstance(value, str) and "." in value]
    name = values.get("image", texts[0] if texts else None)
    if not isinstance(name, str) or not name:
        raise PictureError("the task names no picture in data/image")
    return name.replace("\\", "/")


def _find_regions(task: dict[str, Any]) -> list[_Region] | None:
    """The shapes of a task; None if nobody has labelled it."""
    if "data" not in task:  # JSON-MIN
        rows = [row for value in task.values() if isinstance(value, list) for row in value]
        plain = (
            [_Region(str(task["choice"]), 0, 0, None)]
            if isinstance(task.get("choice"), str)
            else []
        )
        return plain + [_parse_region(row, row) for row in rows if isinstance(row, dict)]
    annotations = task.get("annotations", task.get("completions"))
    done = [
        one
        for one in (annotations if isinstance(annotations, list) else [])
        if isinstance(one, dict) and not one.get("was_cancelled")
    ]
    if len(done) > 1:
        raise PictureError(f"{len(done)} people have labelled it; keep one annotation a task")
    if not done:
        return None
    results = done[0].get("result")
    return list(_parse_results(results if isinstance(results, list) else []))


def _parse_results(results: list[Any]) -> Iterator[_Region]:
    for result in results:
        value = result.get("value") if isinstance(result, dict) else None
        if not isinstance(value, dict):
            raise PictureError(f"a result needs a value; found {result}")
        if isinstance(value.get("choices"), list):
            yield from (_Region(str(choice), 0, 0, None) for choice in value["choices"])
        elif any(key in value for key in (*SHAPE_KEYS, "brushlabels", "keypointlabels")):
            yield _parse_region(value, result)


def _parse_region(value: dict[str, Any], result: dict[str, Any]) -> _Region:
    names = next((value[key] for key in SHAPE_KEYS if isinstance(value.get(key), list)), None)
    if not names or len(names) != 1:
        raise PictureError(
            f"a shape needs one label in {', '.join(SHAPE_KEYS)}; found {names or sorted(value)}"
        )
    sides = parse_numbers([result.get("original_width"), result.get("original_height")])
    if len(sides) != 2 or min(sides) <= 0:
        raise PictureError("a shape needs original_width and original_height")
    if result.get("image_rotation"):
        raise PictureError(
            f"it was labelled with the picture turned by {result['image_rotation']} degrees; save it so"
        )
    x, y, width, height = _bound_percent(value)
    across, down = sides[0] / 100, sides[1] / 100
    box, rotation = (x * across, y * down, width * across, height * down), value.get("rotation")
    if isinstance(rotation, int | float) and rotation:
        box = turn_rectangle(box, rotation, (0.0, 0.0))
    return _Region(str(names[0]), int(sides[0]), int(sides[1]), box)


def _bound_percent(value: dict[str, Any]) -> Box:
    points = value.get("points")
    if isinstance(points, list):
        pairs = [parse_numbers(point) for point in points]
        if len(pairs) < 3 or not all(len(pair) == 2 for pair in pairs):
            raise PictureError(f"a polygon needs points as x, y; found {points}")
        return bound_points([(pair[0], pair[1]) for pair in pairs])
    ellipse = parse_numbers([value.get(key) for key in ("x", "y", "radiusX", "radiusY")])
    if ellipse:
        x, y, across, down = ellipse
        return x - across, y - down, 2 * across, 2 * down
    sides = parse_numbers([value.get(key) for key in ("x", "y", "width", "height")])
    if len(sides) != 4:
        raise PictureError(f"a rectangle needs x, y, width and height; found {sorted(value)}")
    return sides[0], sides[1], sides[2], sides[3]
