"""Pascal VOC's `ImageSets`: text files that list the pictures of a split, one a line.

A line is a picture's name, whatever spaces it holds; it may have a suffix, or a path. In the sets of a
class (`scratch_train.txt`) a number follows: 1 has the class, -1 has not; both are in the split.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from sightline.errors import TextError
from sightline.imaging.picture_decoder import PICTURE_SUFFIXES
from sightline.strict_text import read_text
from training.datasets.data_folder import PLAIN_FOLDERS, DataFolder
from training.datasets.data_set import LabelLocation, LabelProblem, ReadingNote, SplitName
from training.datasets.splits import SPLIT_WORDS, find_split_in_name

SPLITS_FOLDER = "imagesets"
CLASS_NUMBER = re.compile(r"\s+-?\d$")


def find_image_sets(folder: DataFolder) -> list[Path]:
    """The text files below a folder `ImageSets`."""
    return [
        file
        for file in folder.files_of(".txt")
        if any(
            part.lower() == SPLITS_FOLDER for part in file.relative_to(folder.folder).parent.parts
        )
    ]


class ImageSets:
    """The split of each label file by the sets of a folder, and the lines that name no picture."""

    def __init__(
        self, folder: DataFolder, picture_names: Mapping[Path, str], set_files: Sequence[Path]
    ) -> None:
        """`picture_names`: of each label file, the name of its picture, with or without a path."""
        self.splits: dict[Path, SplitName] = {}
        self.problems: list[LabelProblem] = []
        self.notes: list[ReadingNote] = []
        self._sources: dict[Path, LabelLocation] = {}
        self._labelled: dict[str, set[Path]] = defaultdict(set)
        for file, name in picture_names.items():
            for form in _list_forms(folder.name_of(file.with_suffix(""))) + _list_forms(name):
                self._labelled[form].add(file)
        self._pictures = {
            form for file in folder.pictures for form in _list_forms(folder.name_of(file))
        }
        whole = [file for file in set_files if file.stem.lower() in SPLIT_WORDS]
        for file in whole or set_files:  # sets of one class tell no more, and may list all pictures
            split = find_split_in_name(file.stem)  # `trainval` is no split
            if split:
                self._read(file, split)

    def _read(self, file: Path, split: SplitName) -> None:
        try:
            lines = read_text(file).split("\n")
        except TextError as error:
            self.problems.append(LabelProblem(LabelLocation(str(file), error.line), error.problem))
            return
        for number, line in enumerate(lines, start=1):
            if line.strip():
                self._read_line(line.strip(), split, LabelLocation(str(file), number))

    def _read_line(self, line: str, split: SplitName, source: LabelLocation) -> None:
        without_one = CLASS_NUMBER.sub("", line)
        names = dict.fromkeys((line, without_one, CLASS_NUMBER.sub("", without_one)))
        forms = [form for name in names for form in _list_forms(name)]
        found: set[Path] = next(
            (files for form in forms if (files := self._labelled.get(form))), set()
        )
        if len(found) > 1:  # of several years of VOC, each has its own sets
            found = {
                one for one in found if _find_root(one) == _find_root(Path(source.file))
            } or found
        if len(found) == 1:
            self._assign(next(iter(found)), line, split, source)
        elif found:
            shown = ", ".join(sorted(str(file) for file in found))
            self.problems.append(
                LabelProblem(source, f"{line!r} may be any of {shown}; write its path")
            )
        elif any(form in self._pictures for form in forms):
            text = "pictures of ImageSets without a label file: not read"
            self.notes.append(ReadingNote(text, f"{line} ({source})"))
        else:
            text = f"no picture is called {line!r}; write a picture's name, a line each, or delete the line"
            self.problems.append(LabelProblem(source, text))

    def _assign(self, file: Path, line: str, split: SplitName, source: LabelLocation) -> None:
        known = self.splits.setdefault(file, split)
        first = self._sources.setdefault(file, source)
        if known != split:
            text = f"{line!r} is listed for {split}, and for {known} in {first}; list it once"
            self.problems.append(LabelProblem(source, text))


def _find_root(file: Path) -> Path:
    """The folder above a label file or a set, without the folders that all data sets have."""
    names = PLAIN_FOLDERS | {SPLITS_FOLDER, "main"}
    return next(
        (folder for folder in file.parents if folder.name.lower() not in names), file.parent
    )


def _list_forms(name: str) -> list[str]:
    """A name as it is compared, without a picture's suffix: with the folders that tell, and without any."""
    plain = PurePosixPath(name.strip().replace("\\", "/"))
    bare = plain.stem if plain.suffix.lower() in PICTURE_SUFFIXES else plain.name
    parts = [
        part for part in plain.parent.parts if part.lower() not in PLAIN_FOLDERS and part != "/"
    ]
    folded = [unicodedata.normalize("NFC", part).casefold() for part in (*parts, bare)]
    return list(dict.fromkeys(["/".join(folded), folded[-1]]))
