"""A recorded stretch of a run, played through the real components, and the gate for a new model."""

import copy
import shutil
import uuid
from pathlib import Path

import cv2
import numpy as np
import pytest

from hil.replay.__main__ import main
from hil.replay.frame_files import decode_frame, digest_frame
from hil.replay.segment import (
    FRAMES,
    REFERENCE,
    RecordedMessage,
    SegmentError,
    load_messages,
    load_segment,
    save_messages,
)
from hil.replay.segment_playback import OUTPUTS
from hil.replay.verdict_regression import (
    VerdictChange,
    draw_changes,
    find_verdict_changes,
    write_verdict_page,
)

SEGMENT = Path(__file__).parent / "segments" / "four-bottles"


@pytest.mark.station
def test_four_bottles_come_out_of_the_real_components_as_they_were_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["play", str(SEGMENT), "--out", str(tmp_path / uuid.uuid4().hex[:8])])
    told = capsys.readouterr().out
    assert code == 0, told
    assert "differences: 0" in told


def test_the_segments_frames_decode_to_the_bytes_that_were_recorded() -> None:
    segment = load_segment(SEGMENT)
    frames = [frame for part in segment.parts for frame in part.frames.values()]
    assert len(frames) == len(segment.parts) * len(segment.cameras) == 16
    for frame in frames:
        assert digest_frame(decode_frame(SEGMENT / FRAMES / frame.file)) == frame.sha256


def with_verdict(
    messages: list[RecordedMessage], number: int, verdict: str
) -> list[RecordedMessage]:
    changed = copy.deepcopy(messages)
    for noted in changed:
        if noted.stream == "PartJudged" and noted.message["part"]["part_number"] == number:
            noted.message["verdict"] = verdict
    return changed


def test_references_stay_until_they_are_renewed_by_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    segment, out = tmp_path / "segment", tmp_path / "out"
    segment.mkdir()
    out.mkdir()
    for name in ("segment.json", REFERENCE):
        shutil.copyfile(SEGMENT / name, segment / name)
    save_messages(out / OUTPUTS, with_verdict(load_messages(SEGMENT / REFERENCE), 2, "ok"))
    words = [str(segment), "--out", str(out)]
    assert main(["compare", *words]) == 3
    assert (
        "part 2 PartJudged.verdict: found 'ok', the reference is 'defect'"
        in capsys.readouterr().out
    )
    assert main(["compare", *words]) == 3
    assert main(["renew", *words]) == 0
    assert main(["compare", *words]) == 0


def test_the_gate_lists_changed_verdicts_with_pictures_and_what_would_pass_first(
    tmp_path: Path,
) -> None:
    before = load_messages(SEGMENT / REFERENCE)
    after = with_verdict(with_verdict(before, 1, "review"), 4, "ok")
    changes, parts = find_verdict_changes(before, after)
    assert parts == 4
    assert [(change.part_number, change.escapes) for change in changes] == [(4, True), (1, False)]
    assert "would pass now" in str(changes[0])
    page = write_verdict_page(tmp_path, SEGMENT, load_segment(SEGMENT), changes, parts).read_text()
    assert "2 of 4 verdicts change" in page
    pictures = sorted(path.name for path in tmp_path.glob("*.jpg"))
    assert pictures == [f"part-{part}-cam{n}.jpg" for part in (1, 4) for n in (1, 2, 3, 4)]
    assert all(f"src='{name}'" in page for name in pictures)
    picture = cv2.imread(str(tmp_path / pictures[0]))
    assert picture is not None
    assert picture.shape == (540, 960, 3)


@pytest.mark.parametrize(
    ("width", "height", "shown"),
    [(200, 200, (960, 960)), (4160, 3120, (720, 960)), (600, 800, (960, 720))],
    ids=str,
)
def test_boxes_are_as_thick_on_the_page_for_pictures_of_any_size(
    width: int, height: int, shown: tuple[int, int]
) -> None:
    box = {"camera": "cam1", "x": width // 4, "y": height // 4}
    box |= {"width": width // 2, "height": height // 2}
    change = VerdictChange(7, {"detections": [box]}, {"detections": [box | {"camera": "cam2"}]})
    grey = np.full((height, width, 3), 90, np.uint8)
    picture = draw_changes(grey, change, "cam1")
    assert picture.shape[:2] == shown
    drawn = (picture != 90).any(axis=2)
    row = drawn[shown[0] // 2]
    assert 8 <= row.sum() <= 16  # two lines of some pixels, and the picture between them
    assert not drawn[shown[0] // 2, shown[1] // 2]


def test_a_segment_that_cannot_be_read_is_told_by_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(SegmentError, match=r"segment\.json: No such file"):
        load_segment(tmp_path)
    (tmp_path / "segment.json").write_text('{"name": 3}')
    with pytest.raises(SegmentError, match=r"segment\.json"):
        load_segment(tmp_path)
    (tmp_path / REFERENCE).write_text('{"stream": "PartJudged"}\n{}\n')
    with pytest.raises(SegmentError, match=r"reference\.jsonl:1"):
        load_messages(tmp_path / REFERENCE)
