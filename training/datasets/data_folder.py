"""The files of a data set's folder, and which of them a label means.

Label files name pictures as they were on another machine: `C:\\pics\\a.jpg`, `images/a`, `A.JPG`, another
form of `ü`. A name is matched by file name, by name without its suffix, and by the folders around it; if
several pictures fit, it is a bad label.
"""

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from sightline.errors import PictureError
from sightline.imaging.picture_decoder import PICTURE_SUFFIXES
from training.datasets.data_set import ReadingNote, SplitName
from training.datasets.splits import find_split_in_name

PREDICTIONS_FOLDER = "predictions"  # of training.predict, below the data
MARKED_SUFFIX = ".marked.jpg"
LEFT_BEHIND_TEXT = "files that programs left behind (hidden files, Thumbs.db, __MACOSX)"
LEFT_BEHIND = frozenset({"thumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin"})
UNREAD_PICTURES = frozenset(
    [
        ".gif",
        ".heic",
        ".heif",
        ".avif",
        ".jp2",
        ".jxl",
        ".jfif",
        ".dng",
        ".raw",
        ".nef",
        ".cr2",
        ".cr3",
        ".arw",
        ".psd",
        ".svg",
        ".pdf",
        ".exr",
        ".dcm",
        ".npy",
        ".pgm",
        ".ppm",
        ".pbm",
        ".tga",
    ]
)
PLAIN_FOLDERS = frozenset(  # names of folders that do not tell pictures apart
    [
        "annotations",
        "annotation",
        "annots",
        "ann",
        "labels",
        "label",
        "xml",
        "xmls",
        "json",
        "jsons",
        "jpegimages",
        "images",
        "image",
        "imgs",
        "img",
        "pictures",
        "pics",
        "photos",
        "data",
        "dataset",
        "default",
        "obj_train_data",
        "upload",
        "frames",
    ]
)
ABSOLUTE_NAME = re.compile(r"[A-Za-z]:|/|~|\\\\")
MAX_SHOWN_NAMES = 3


class DataFolder:
    """A folder's files by name; `find_picture` says which file a label means, or why none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes: list[ReadingNote] = []
        self.files = sorted(self._walk())
        self.pictures = [file for file in self.files if file.suffix.lower() in PICTURE_SUFFIXES]
        self._used: set[Path] = set()
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        for file in self.pictures:
            self._by_name[_fold(file.name)].append(file)
            self._by_stem[_fold(file.stem)].append(file)
        for file in self.files:
            reason = find_reason_to_ignore(file.name)
            if reason:
                self.notes.append(ReadingNote(reason, self.name_of(file)))

    def files_of(self, *suffixes: str) -> list[Path]:
        """The files with one of these suffixes, sorted."""
        return [file for file in self.files if file.suffix.lower() in suffixes]

    def name_of(self, file: Path) -> str:
        """The file's path below the folder, with slashes."""
        return Path(os.path.relpath(file, self.folder)).as_posix()

    def mark_used(self, file: Path) -> None:
        """A picture that a label names, or a mask: not one without a label."""
        self._used.add(file)

    def list_unused(self) -> list[Path]:
        """The pictures that no label has named so far."""
        return [file for file in self.pictures if file not in self._used]

    def find_picture(self, name: str, near: Path, split: SplitName = "") -> Path:
        """The picture that a label file means by a name; PictureError if there is none, or several.

        Of several, those beside the label file come first, then those in a folder of the split.
        """
        plain = name.strip().replace("\\", "/").removeprefix("file://")
        for exact in (near.parent / plain, self.folder / plain):
            if plain and exact.is_file():
                file = Path(os.path.normpath(exact))
                self._used.add(file)
                return file
        file = self._choose(plain, self._list_candidates(plain), near, split)
        self._used.add(file)
        return file

    def find_labelled_picture(self, label_file: Path, name: str, key: str) -> Path:
        """The picture that a label file of one picture means: by the name in it, else by its own name.

        If both are there, and differ, the file was copied or renamed: PictureError.
        """
        same_name = self.find_by_stem(label_file)
        try:
            named = self.find_picture(name, label_file) if name else None
        except PictureError:
            if same_name is None:
                raise
            named = None
        if named is not None and same_name is not None and named != same_name:
            raise PictureError(
                f"{key} is {name}, but {self.name_of(same_name)} is called like the label file: correct "
                f"{key}, or rename the label file"
            )
        found = named or same_name
        if found is None:
            raise PictureError(f"{key} is empty, and no picture is called like the label file")
        return found

    def find_by_stem(self, near: Path) -> Path | None:
        """The picture that is called like a label file, with another suffix; None if none or several."""
        try:
            return self.find_picture(near.stem, near)
        except PictureError:
            return None

    def _walk(self) -> Iterable[Path]:
        walked: set[str] = set()
        for place, folders, names in os.walk(self.folder, followlinks=True):
            here = Path(place)
            if os.path.realpath(here) in walked:  # a link that leads in a circle
                folders.clear()
                continue
            walked.add(os.path.realpath(here))
            for name in [one for one in folders if _is_left_behind(one)]:
                folders.remove(name)
                self._note_left_behind(here / name)
            if here == self.folder and PREDICTIONS_FOLDER in folders:
                folders.remove(PREDICTIONS_FOLDER)
            for name in names:
                if _is_left_behind(name):
                    self._note_left_behind(here / name)
                elif not name.endswith(MARKED_SUFFIX):
                    yield here / name

    def _note_left_behind(self, file: Path) -> None:
        self.notes.append(ReadingNote(LEFT_BEHIND_TEXT, self.name_of(file)))

    def _list_candidates(self, name: str) -> list[Path]:
        base = PurePosixPath(name).name
        for form in dict.fromkeys((base, unquote(base))):
            found = self._by_name.get(_fold(form)) or self._by_stem.get(_fold(form))
            if found:
                return found
        stem, suffix = PurePosixPath(base).stem, PurePosixPath(base).suffix.lower()
        known = suffix in PICTURE_SUFFIXES or suffix in UNREAD_PICTURES
        return self._by_stem.get(_fold(stem), []) if known else []

    def _choose(self, name: str, found: list[Path], near: Path, split: SplitName) -> Path:
        parents = (
            () if ABSOLUTE_NAME.match(name) else _telling_parts(PurePosixPath(name).parent.parts)
        )
        own = _telling_parts(near.relative_to(self.folder).parent.parts) if not parents else ()
        fitting = [file for file in found if self._fits(file, parents, own)]
        best = self._keep_best(fitting, parents or own, split)
        if len(best) == 1:
            return best[0]
        if best:
            shown = ", ".join(self.name_of(file) for file in best[:MAX_SHOWN_NAMES])
            raise PictureError(
                f"the file {name} may be any of {len(best)} pictures: {shown}; write its path"
            )
        hint = (
            f"; {self.name_of(found[0])} has the same name, if it is meant, write its path"
            if found
            else ""
        )
        raise PictureError(f"the file {name} is missing{hint}")

    def _fits(self, file: Path, parents: tuple[str, ...], own: tuple[str, ...]) -> bool:
        """Whether the folders of a picture contradict neither those in its name, nor its label file's."""
        there = self._folders_of(file)
        if parents:
            common = min(len(parents), len(there))
            return parents[len(parents) - common :] == there[len(there) - common :]
        common = min(len(own), len(there))
        return own[:common] == there[:common]

    def _keep_best(
        self, files: list[Path], wanted: tuple[str, ...], split: SplitName
    ) -> list[Path]:
        def rank(file: Path) -> tuple[bool, bool]:
            there = self._folders_of(file)
            in_split = bool(split) and any(find_split_in_name(part) == split for part in there)
            return there != wanted, not in_split

        ranks = {file: rank(file) for file in files}
        first = min(ranks.values(), default=(False, False))
        return [file for file in files if ranks[file] == first]

    def _folders_of(self, file: Path) -> tuple[str, ...]:
        return _telling_parts(file.relative_to(self.folder).parent.parts)


def find_reason_to_ignore(name: str) -> str:
    """Why a file, by its path below the folder, is not read; empty if it may be."""
    path = PurePosixPath(name)
    if any(_is_left_behind(part) for part in path.parts):
        return LEFT_BEHIND_TEXT
    if path.suffix.lower() in UNREAD_PICTURES:
        return f"pictures in a format that is not read ({path.suffix.lower()}): convert them"
    return ""


def _is_left_behind(name: str) -> bool:
    return name.startswith(".") or name.lower() in LEFT_BEHIND


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _telling_parts(parts: Iterable[str]) -> tuple[str, ...]:
    folded = (_fold(part) for part in parts)
    return tuple(
        part for part in folded if part not in PLAIN_FOLDERS and part not in (".", "..", "/")
    )
