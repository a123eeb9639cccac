"""Pascal VOC and Lookout for Vision manifests are read as written, and errors have a line."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sightline.errors import PictureError
from tests.unit.training.small_data_sets import write_coco, write_picture, write_voc
from training import manifest
from training.datasets import LabelledPicture, TrueBox, read_dataset

here = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def name_box(row: tuple[str, bool, tuple[int, int, int, int]]) -> str:
    """Equal for two boxes that are the same, whichever corner comes first."""
    label, difficult, (a, b, c, d) = row
    return str((label, difficult, sorted((a, c)), sorted((b, d))))


sides = st.tuples(st.integers(1, 40), st.integers(1, 30), st.integers(1, 40), st.integers(1, 30))


@here
@given(
    st.lists(
        st.tuples(st.sampled_from(["scratch", "dent & <hole>"]), st.booleans(), sides),
        unique_by=name_box,
    )
)
def test_voc_boxes_hold_both_their_first_and_last_pixel(
    tmp_path: Path, objects: list[tuple[str, bool, tuple[int, int, int, int]]]
) -> None:
    rows, wanted = [], []
    for label, difficult, (a, b, c, d) in objects:
        left, right, top, bottom = min(a, c), max(a, c), min(b, d), max(b, d)
        escaped = label.replace("&", "&amp;").replace("<", "&lt;")
        rows.append((escaped, int(difficult), left, top, right, bottom))
        box = (left - 1.0, top - 1.0, right - left + 1.0, bottom - top + 1.0)
        wanted.append((label, box, not difficult))
    write_voc(tmp_path, "one", rows)
    (picture,) = read_dataset(tmp_path).pictures
    assert [(box.label, box.box, box.visible) for box in picture.boxes] == wanted
    for one in picture.boxes:
        x, y, width, height = one.box
        assert x >= 0
        assert y >= 0
        assert x + width <= 40
        assert y + height <= 30


def test_voc_image_sets_are_the_splits(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        write_voc(tmp_path, name, [("dent", 0, 1, 1, 5, 5)] if name == "one" else [])
    sets = tmp_path / "ImageSets" / "Main"
    sets.mkdir(parents=True)
    for name, content in (
        ("train", "one 1\n"),
        ("val", "two -1\n"),
        ("trainval", "one\ntwo\nthree\n"),
    ):
        (sets / f"{name}.txt").write_text(content)
    found = {Path(p.name).stem: (p.split, p.label) for p in read_dataset(tmp_path).pictures}
    assert found == {
        "one": ("train", "anomaly"),
        "two": ("validation", "normal"),
        "three": ("", "normal"),
    }


def test_bad_voc_labels_are_named_by_file_and_line(tmp_path: Path) -> None:
    file = write_voc(
        tmp_path,
        "one",
        [("dent", 0, 1, 1, 5, 5), ("nose", 0, 1, 1, 5, 5), ("dent", 0, 9, 9, 99, 9)],
    )
    gone = write_voc(tmp_path, "two", [("dent", 0, "x", 1, 5, 5)])
    (tmp_path / "JPEGImages" / "two.png").unlink()
    (tmp_path / "labels.txt").write_text("dent\n")
    with pytest.raises(PictureError) as refused:
        read_dataset(tmp_path)
    lines = str(refused.value).splitlines()
    assert any(f"{file}:8: unknown class 'nose'; known are dent" in line for line in lines)
    assert any(f"{file}:12: box x 8" in line and "by 59 px" in line for line in lines)
    assert any(f"{gone}:4: bndbox needs the numbers" in line for line in lines)
    assert any("the file two.png is missing" in line for line in lines)
    (left,) = read_dataset(tmp_path, drop_bad_labels=True).pictures
    assert [box.source.line for box in left.boxes] == [4]


def test_a_file_that_is_no_xml_is_refused_with_its_line(tmp_path: Path) -> None:
    write_voc(tmp_path, "one", []).write_text("<annotation>\n<object>\n</annotation>")
    with pytest.raises(PictureError, match=r"one\.xml:3: not XML"):
        read_dataset(tmp_path)


# boxes in cells of their own, so that their regions in the mask do not touch
cells = st.dictionaries(
    st.tuples(st.integers(0, 3), st.integers(0, 2)),
    st.tuples(st.integers(1, 8), st.integers(1, 8)),
    max_size=6,
)


@here
@given(cells)
def test_a_manifest_that_was_written_reads_as_the_data_set_it_was_written_from(
    tmp_path: Path, boxes_by_cell: dict[tuple[int, int], tuple[int, int]]
) -> None:
    boxes = [
        (1, (float(10 * column), float(10 * row), float(width), float(height)))
        for (column, row), (width, height) in boxes_by_cell.items()
    ]
    write_coco(tmp_path, boxes, pictures=2, series="C7")
    out = tmp_path / "made" / "train.manifest"
    assert manifest.main(["--data", str(tmp_path), "--out", str(out)]) == 0
    found = read_dataset(out.parent)
    assert [(p.label, p.group, p.split, len(p.boxes)) for p in found.pictures] == [
        ("anomaly" if boxes else "normal", "C7", "train", len(boxes)),
        ("normal", "C7", "train", 0),
    ]
    assert {box.box for box in found.pictures[0].boxes} == {box for _, box in boxes}
    assert {box.label for box in found.pictures[0].boxes} <= {"scratch"}


def test_a_manifest_has_the_fields_that_the_service_asks_for(tmp_path: Path) -> None:
    write_coco(tmp_path, [(1, (2, 3, 4, 5))], pictures=2)
    out = tmp_path / "out" / "a.manifest"
    arguments = ["--data", str(tmp_path), "--out", str(out), "--as", "s3://bucket/line-1/"]
    assert manifest.main(arguments) == 0
    marked, normal = (json.loads(line) for line in out.read_text().splitlines())
    assert marked["source-ref"] == "s3://bucket/line-1/1.png"
    assert marked["anomaly-label"] == 1
    metadata = marked["anomaly-label-metadata"]
    assert metadata["class-name"] == "anomaly"
    assert metadata["type"] == "groundtruth/image-classification"
    assert metadata["human-annotated"] == "yes"
    assert metadata.keys() == {
        "class-name",
        "confidence",
        "type",
        "human-annotated",
        "creation-date",
        "job-name",
    }
    assert marked["anomaly-mask-ref"] == "s3://bucket/line-1/masks/1.png.png"
    mask_metadata = marked["anomaly-mask-ref-metadata"]
    assert mask_metadata["type"] == "groundtruth/semantic-segmentation"
    assert mask_metadata["internal-color-map"] == {
        "0": {"class-name": "BACKGROUND", "hex-color": "#ffffff", "confidence": 0.0},
        "1": {"class-name": "scratch", "hex-color": "#2ca02c", "confidence": 0.0},
    }
    mask = cv2.imread(str(out.parent / "masks" / "1.png.png"))
    assert mask is not None
    assert mask.shape == (30, 40, 3)
    assert mask[3, 2].tolist() == [0x2C, 0xA0, 0x2C]
    assert mask[0, 0].tolist() == [255, 255, 255]
    assert normal["anomaly-label-metadata"]["class-name"] == "normal"
    assert "anomaly-mask-ref" not in normal


def test_each_label_has_its_colour_in_the_mask_and_small_boxes_lie_on_large_ones() -> None:
    boxes = (TrueBox("dent", (1, 1, 2, 2)), TrueBox("scratch", (0, 0, 9, 9)))
    hidden = TrueBox("dent", (12, 0, 2, 2), visible=False)
    picture = LabelledPicture(Path("p"), 20, 10, (*boxes, hidden), label="anomaly", name="a/p.jpg")
    mask = manifest.draw_mask(picture, ("scratch", "dent"))
    assert mask[5, 5].tolist() == [0x2C, 0xA0, 0x2C]
    assert mask[2, 2].tolist() == [0xB4, 0x77, 0x1F]  # blue, green, red of #1f77b4
    assert mask[1, 12].tolist() == [255, 255, 255]
    assert manifest.build_mask_name(picture) == "masks/a/p.jpg.png"


def line(**changes: Any) -> str:
    """A classification line as the service's own guide shows it."""
    value: dict[str, Any] = {
        "source-ref": "a.png",
        "anomaly-label": 1,
        "anomaly-label-metadata": {
            "confidence": 1,
            "job-name": "labeling-job/auto-label",
            "class-name": "normal",
            "human-annotated": "yes",
            "creation-date": "2022-11-10T03:37:09.600",
            "type": "groundtruth/image-classification",
        },
    }
    return json.dumps(value | changes)


COLOURS = {"internal-color-map": {"0": {"class-name": "BACKGROUND", "hex-color": "#ffffff"}}}


RED = {
    "internal-color-map": {
        "0": {"class-name": "BACKGROUND", "hex-color": "#ffffff"},
        "1": {"class-name": "dent", "hex-color": "#ff0000"},
    }
}
ANOMALY_CLASS = {"anomaly-label-metadata": {"class-name": "anomaly"}}


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        ("{", "not JSON"),
        ("[1]", "expected an object, found list"),
        (line(**{"source-ref": "gone.png"}), "the file gone.png is missing"),
        (line(**{"source-ref": 3}), "source-ref is missing"),
        (line(**{"anomaly-label-metadata": {"class-name": "odd"}}), "unknown class 'odd'"),
        (line(**{"anomaly-mask-ref": "a.png"}), "internal-color-map is missing"),
        (line(**{"anomaly-mask-ref": "no.png"}), "no.png is missing or not a picture"),
        (
            line(
                **ANOMALY_CLASS,
                **{"anomaly-mask-ref": "small.png", "anomaly-mask-ref-metadata": RED},
            ),
            "a.png has 40 x 30 px, its labels are of 5 x 5 px, of another aspect",
        ),
        (
            line(**{"anomaly-mask-ref": "red.png", "anomaly-mask-ref-metadata": COLOURS}),
            "red.png has the colour #ff0000, which is not in internal-color-map",
        ),
        (
            line(
                **{
                    "anomaly-mask-ref": "red.png",
                    "anomaly-mask-ref-metadata": {
                        "internal-color-map": {"1": {"hex-color": "red"}}
                    },
                }
            ),
            "internal-color-map/1 needs class-name and hex-color",
        ),
    ],
)
def test_bad_lines_of_a_manifest_are_named_by_line_and_can_be_dropped(
    tmp_path: Path, bad: str, text: str
) -> None:
    write_picture(tmp_path / "a.png")
    cv2.imwrite(str(tmp_path / "small.png"), np.full((5, 5, 3), (0, 0, 255), np.uint8))
    cv2.imwrite(str(tmp_path / "red.png"), np.full((30, 40, 3), (0, 0, 255), np.uint8))
    file = tmp_path / "test.manifest"
    file.write_text(f"{line()}\n\n{bad}\n")
    with pytest.raises(PictureError) as refused:
        read_dataset(tmp_path)
    assert f"{file}:3: " in str(refused.value)
    assert text in str(refused.value)
    (left,) = read_dataset(tmp_path, drop_bad_labels=True).pictures
    assert (left.label, left.split) == ("normal", "test")  # though anomaly-label is 1
