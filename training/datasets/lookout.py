"""Amazon manifests: JSON Lines, one picture each, of Lookout for Vision or SageMaker Ground Truth.

`anomaly-label-metadata/class-name` is the label (`anomaly-label` may be 1 for normal pictures, too). The
mask `anomaly-mask-ref` marks each kind of anomaly in a colour of `internal-color-map`; each connected
region of a colour becomes a box. Ground Truth's jobs have names of their own: manifest_labels.py.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from sightline.errors import EvidenceError, PictureError, TextError
from sightline.strict_text import decode_json, read_text
from training.datasets.data_folder import DataFolder
from training.datasets.data_set import (
    ANOMALY,
    NORMAL,
    UNKNOWN,
    DataSet,
    ImageLabel,
    LabelledPicture,
    LabelLocation,
    LabelProblem,
    ReadingNote,
    TrueBox,
)
from training.datasets.manifest_labels import (
    CLASSIFICATION,
    DETECTION,
    SEGMENTATION,
    SOURCE_KEY,
    Job,
    combine_labels,
    find_jobs,
    parse_boxes,
    parse_class,
    parse_colours,
)
from training.datasets.masks import MaskBoxes, read_colour_mask
from training.datasets.splits import find_split_in_name, parse_split
from training.datasets.storage import S3_SCHEME, fetch_file

MANIFEST_SUFFIXES = (".manifest", ".jsonl")
FetchFile = Callable[[str, Path], Path]


def find_manifests(folder: DataFolder) -> list[Path]:
    """The folder's manifests, else those of its sub-folders (Ground Truth: `manifests/output/`)."""
    files = folder.files_of(*MANIFEST_SUFFIXES)
    return [file for file in files if file.parent == folder.folder] or files


def read_lookout(folder: DataFolder) -> DataSet:
    """The pictures of all manifests of a folder; the file name gives the split."""

    def fetch(name: str, near: Path) -> Path:
        if not name.startswith(S3_SCHEME):
            return folder.find_picture(name, near)
        try:
            return fetch_file(name, near.parent)
        except EvidenceError as error:
            try:  # the bucket may have been copied here
                found = folder.find_picture("/" + name.rpartition("/")[2], near)
            except PictureError:
                raise error from None
            text = "pictures of a bucket that cannot be read: read from the folder by their names"
            folder.notes.append(ReadingNote(text, name))
            return found

    return read_manifests(folder.folder.name, find_manifests(folder), fetch)


def read_manifest_at(address: str) -> DataSet:
    """The pictures of one manifest, a file or an object; relative names are relative to it."""
    file = fetch_file(address, Path())
    if not file.is_file():
        raise PictureError(f"{address} is missing")
    if not address.startswith(S3_SCHEME):

        def fetch_near(name: str, near: Path) -> Path:
            found = fetch_file(name, near.parent)
            if name.startswith(S3_SCHEME) or found.is_file():
                return found
            return _open_folder(near.parent).find_picture(name, near)

        return read_manifests(file.stem, [file], fetch_near)
    beside = address.rpartition("/")[0]

    def fetch(name: str, near: Path) -> Path:
        below = not name.startswith((S3_SCHEME, "/"))
        return fetch_file(f"{beside}/{name}" if below else name, near.parent)

    return read_manifests(file.stem, [file], fetch)


@lru_cache(maxsize=1)
def _open_folder(folder: Path) -> DataFolder:
    return DataFolder(folder)


def read_manifests(name: str, files: Sequence[Path], fetch: FetchFile) -> DataSet:
    """One data set from these manifests; `fetch` gets an address near a manifest as a local file."""
    pictures: list[LabelledPicture] = []
    problems: list[LabelProblem] = []
    for file in files:
        for number, line in enumerate(_read_lines(file, problems), start=1):
            source = LabelLocation(str(file), number)
            try:
                if line.strip():
                    pictures.append(_read_picture(file, line, source, fetch))
            except (PictureError, EvidenceError) as error:
                problems.append(LabelProblem(source, str(error)))
    labels = sorted({box.label for picture in pictures for box in picture.boxes})
    return DataSet(name, "lookout", tuple(pictures), tuple(labels), tuple(problems))


def _read_lines(file: Path, problems: list[LabelProblem]) -> list[str]:
    try:
        return read_text(file).split("\n")
    except TextError as error:
        problems.append(LabelProblem(LabelLocation(str(file), error.line), error.problem))
        return []


def _read_picture(
    manifest: Path, line: str, source: LabelLocation, fetch: FetchFile
) -> LabelledPicture:
    value = _parse_object(line)
    address = value.get(SOURCE_KEY)
    if not isinstance(address, str) or not address:
        raise PictureError(f"{SOURCE_KEY} is missing; each line needs the address of a picture")
    split = parse_split(value.get("split")) or find_split_in_name(manifest.stem)
    jobs = find_jobs(value)
    marks = [mark for job in jobs if (mark := _read_marks(job, value, manifest, fetch))]
    if len(marks) > 1:
        raise PictureError("it has boxes or masks of several jobs; keep one of them")
    size = (marks[0].width, marks[0].height) if marks else (0, 0)
    boxes = tuple(
        TrueBox(label, box, source=source) for label, box in (marks[0].boxes if marks else ())
    )
    return LabelledPicture(
        _fetch_picture(address, manifest, fetch),
        *size,
        boxes,
        group=str(value.get("group", "")),
        split=split,
        label=_find_label(jobs, boxes),
        source=source,
        name=address,
    )


def _fetch_picture(address: str, manifest: Path, fetch: FetchFile) -> Path:
    try:
        file = fetch(address, manifest)
    except PictureError as error:
        raise PictureError(f"{SOURCE_KEY}: {error}") from error
    if not file.is_file():
        raise PictureError(f"{SOURCE_KEY}: the file {address} is missing")
    return file


def _find_label(jobs: Sequence[Job], boxes: Sequence[TrueBox]) -> ImageLabel:
    """The class, else anomaly where something is marked, else normal where a job looked for boxes."""
    label = combine_labels([parse_class(job) for job in jobs if job.kind == CLASSIFICATION])
    if label == NORMAL and boxes:
        raise PictureError("it is normal, but has marked defects; correct one of both")
    if label == UNKNOWN and boxes:
        return ANOMALY
    if label == UNKNOWN and any(job.kind != CLASSIFICATION for job in jobs):
        return NORMAL
    return label


def _read_marks(
    job: Job, value: dict[str, Any], manifest: Path, fetch: FetchFile
) -> MaskBoxes | None:
    if job.kind == DETECTION:
        found = parse_boxes(job)
        return MaskBoxes(found.width, found.height, found.boxes)
    if job.kind != SEGMENTATION:
        return None
    address = value.get(job.name)
    if not isinstance(address, str) or not address:
        raise PictureError(f"{job.name} is missing")
    try:
        file = fetch(address, manifest)
    except PictureError as error:
        raise PictureError(f"{job.name}: {address} is missing or not a picture: {error}") from error
    return read_colour_mask(file, parse_colours(job), address)


def _parse_object(line: str) -> dict[str, Any]:
    try:
        value = decode_json(line.removesuffix("\r"), allow_nan=True)
    except TextError as error:
        raise PictureError(f"{error.problem} (column {error.column or 1})") from error
    if not isinstance(value, dict):
        raise PictureError(
            f"expected an object, found {type(value).__name__}; a manifest has one picture a line, each in "
            "braces"
        )
    return value
