"""`labels.csv` of class folders: the group of each picture, in a table as programs save it.

Columns are separated by comma, semicolon or tab; the text may be UTF-8 or UTF-16, with a mark or without.
"""

import csv
import io
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from sightline.errors import TextError
from sightline.strict_text import read_text
from training.datasets.class_words import describe_class_words, find_class_of
from training.datasets.data_folder import DataFolder
from training.datasets.data_set import LabelLocation, LabelProblem

CLASS_LABELS_FILE = "labels.csv"
PATH_COLUMNS, LABEL_COLUMNS = ("path", "file", "filename", "image"), ("label", "class")
GROUP_COLUMNS = ("group", "near_dup_group", "series")
SEPARATORS = ",;\t"
SEPARATOR_LINE = "sep="  # of Excel


@dataclass
class ClassLabels:
    """Group and source of each picture by name, and the rows that cannot be right."""

    groups: dict[str, tuple[str, LabelLocation]] = field(default_factory=dict)
    problems: list[LabelProblem] = field(default_factory=list)


def read_class_labels(folder: DataFolder) -> ClassLabels:
    """The folder's `labels.csv`; empty if there is none."""
    labels = ClassLabels()
    file = folder.folder / CLASS_LABELS_FILE
    if not file.is_file():
        return labels
    try:
        text = read_text(file)
    except TextError as error:
        labels.problems.append(LabelProblem(LabelLocation(str(file), error.line), error.problem))
        return labels
    skipped = text.lower().startswith(SEPARATOR_LINE)
    rows = text.split("\n", 1)[1] if skipped and "\n" in text else text
    header = rows.split("\n", 1)[0]
    reader = csv.DictReader(
        io.StringIO(rows, newline=""), delimiter=max(SEPARATORS, key=header.count)
    )
    columns = {(name or "").strip().lower(): name for name in reader.fieldnames or []}
    path_column = next((columns[name] for name in PATH_COLUMNS if name in columns), None)
    if path_column is None:
        found = ", ".join(repr(name) for name in reader.fieldnames or []) or "nothing"
        text = f"the first line must name the column path; found {found}"
        labels.problems.append(LabelProblem(LabelLocation(str(file), 1 + skipped), text))
        return labels
    for row in reader:
        source = LabelLocation(str(file), reader.line_num + skipped)
        values = {name: (row.get(column) or "").strip() for name, column in columns.items()}
        if any(values.values()):
            _add_row(folder, labels, (row[path_column] or "").strip(), values, source)
    return labels


def _add_row(
    folder: DataFolder,
    labels: ClassLabels,
    path: str,
    values: dict[str, str],
    source: LabelLocation,
) -> None:
    name = path.replace("\\", "/")
    group = next((values[column] for column in GROUP_COLUMNS if values.get(column)), "")
    problem = _find_row_problem(folder, name, values)
    if not problem and labels.groups.get(name, (group,))[0] != group:
        problem = f"{name} is listed twice, in the groups {labels.groups[name][0]} and {group}"
    if problem:
        labels.problems.append(LabelProblem(source, problem))
    else:
        labels.groups[name] = (group, source)


def _find_row_problem(folder: DataFolder, name: str, values: dict[str, str]) -> str:
    parts = PurePosixPath(name).parts
    if len(parts) < 2:
        return f"path {name!r}: expected SPLIT/CLASS/FILE"
    if not (folder.folder / name).is_file():
        return f"the file {name} is missing; correct the path, or delete the row"
    label = next((values[column] for column in LABEL_COLUMNS if values.get(column)), "")
    if label and find_class_of(label) is None:
        return f"unknown class {label!r}; {describe_class_words()}"
    own = next((parent for parent in parts[:-1] if find_class_of(parent)), "")
    if label and own and find_class_of(label) != find_class_of(own):
        return f"{name} is in the folder {own} but labelled {label}; correct one of both"
    return ""
