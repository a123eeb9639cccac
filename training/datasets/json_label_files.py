"""Which JSON files of a folder hold labels, and of which tool."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightline.errors import TextError
from sightline.imaging.picture_header import LFS_POINTER
from sightline.strict_text import decode_json, read_text
from training.datasets.data_folder import DataFolder
from training.datasets.data_set import LabelLocation, LabelProblem

COCO, LABELME, LABEL_STUDIO = "coco", "labelme", "label-studio"
UNREAD_TOOLS = {  # what their JSON is called where it is refused
    "via": "VGG Image Annotator; export it as COCO",
    "createml": "CreateML; export it as COCO or Pascal VOC",
    "supervisely": "Supervisely; export it as COCO",
    "coco-without-labels": "a COCO file with images but no annotations",
}
SIDE_KINDS = (
    "captions",
    "person_keypoints",
    "stuff",
    "panoptic",
    "image_info",
)  # of COCO's own files


@dataclass(frozen=True)
class JsonLabelFile:
    """A JSON file with labels: its text, for positions, and its value."""

    file: Path
    text: str
    value: Any


@dataclass
class JsonLabelFiles:
    """The JSON files of a folder by tool, and a problem for each one that cannot be read."""

    by_tool: dict[str, list[JsonLabelFile]]
    problems: list[LabelProblem]

    def files_of(self, tool: str) -> list[JsonLabelFile]:
        """The files of one tool, sorted."""
        return self.by_tool.get(tool, [])


def find_json_labels(folder: DataFolder) -> JsonLabelFiles:
    """All JSON label files of a folder."""
    found: dict[str, list[JsonLabelFile]] = defaultdict(list)
    problems = []
    for file in folder.files_of(".json"):
        try:
            text = read_text(file)
            value = decode_json(text, allow_nan=True)  # judged by its row
        except TextError as error:
            location = LabelLocation(str(file), error.line, error.column)
            why = "a pointer of Git LFS: run `git lfs pull`" if _is_pointer(file) else error.problem
            problems.append(LabelProblem(location, f"cannot be read: {why}"))
        except OSError as error:
            text = f"cannot be read: {error.strerror or error}"
            problems.append(LabelProblem(LabelLocation(str(file)), text))
        else:
            tool = recognize_tool(value)
            if tool:
                found[tool].append(JsonLabelFile(file, text, value))
    return JsonLabelFiles(dict(found), problems)


def _is_pointer(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(len(LFS_POINTER)) == LFS_POINTER


def recognize_tool(value: Any) -> str:
    """The tool that wrote a JSON value, an empty text if it holds no labels."""
    if isinstance(value, list):
        return _recognize_list([row for row in value if isinstance(row, dict)])
    if not isinstance(value, dict):
        return ""
    if "images" in value and ("annotations" in value or "categories" in value):
        return COCO if "annotations" in value else "coco-without-labels"
    if isinstance(value.get("shapes"), list):
        return LABELME
    if "_via_img_metadata" in value or _has_keys(list(value.values()), "filename", "regions"):
        return "via"
    if "images" in value and isinstance(value["images"], list):
        return "coco-without-labels" if _has_keys(value["images"], "file_name") else ""
    if isinstance(value.get("objects"), list) and isinstance(value.get("size"), dict):
        return "supervisely"
    return ""


def _recognize_list(rows: list[dict[str, Any]]) -> str:
    if _has_keys(rows, "data", "annotations") or _has_keys(rows, "data", "completions"):
        return LABEL_STUDIO
    if _has_keys(rows, "image", "annotations"):
        return "createml"
    if _has_keys(rows, "image") and any(
        key in rows[0] for key in ("label", "annotator", "annotation_id")
    ):
        return LABEL_STUDIO
    return ""


def _has_keys(rows: list[Any], *keys: str) -> bool:
    return bool(rows) and all(
        isinstance(row, dict) and all(key in row for key in keys) for row in rows
    )
