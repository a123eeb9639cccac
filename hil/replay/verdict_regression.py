"""Regression test for a new model: reports which verdicts of recorded parts change."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from hil.replay.frame_files import Pixels, decode_frame, to_bgr
from hil.replay.message_comparison import index_by_part
from hil.replay.segment import FRAMES, Json, RecordedMessage, RunSegment

MAX_SHOWN_PX = 960  # two of the file's to one of the page's
BEFORE_BGR, AFTER_BGR = (200, 120, 0), (0, 0, 220)
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; color: #1c2430 }
table { border-collapse: collapse; margin: 1rem 0 } td, th { padding: .3rem .8rem; text-align: left }
th { color: #5a6675; font-weight: 500 } tr { border-bottom: 1px solid #dde2e8 }
figure { display: inline-block; margin: .3rem } figcaption { color: #5a6675; font-size: 13px }
img { max-width: 30rem; max-height: 30rem; border-radius: 3px } section { margin: 2.2rem 0 }
.escape { color: #b3261e } h2 { margin: 0 }
"""


@dataclass(frozen=True)
class VerdictChange:
    """A part whose verdict changes; `escapes`: it was rejected and would now pass."""

    part_number: int
    before: Json
    after: Json

    @property
    def escapes(self) -> bool:
        return bool(self.before["verdict"] != "ok" and self.after["verdict"] == "ok")

    def __str__(self) -> str:
        mark = "  <- would pass now" if self.escapes else ""
        return (
            f"part {self.part_number}: {self.before['verdict']} ({self.before['reason']}) -> "
            f"{self.after['verdict']} ({self.after['reason']}){mark}"
        )


def find_verdict_changes(
    reference: Sequence[RecordedMessage], found: Sequence[RecordedMessage]
) -> tuple[list[VerdictChange], int]:
    """Find the changed parts, escapes first, and the number of parts compared."""
    before, after = index_by_part(reference), index_by_part(found)
    both = [key for key in before if key[0] == "PartJudged" and key in after]
    changes = [
        VerdictChange(key[1], before[key].message, after[key].message)
        for key in both
        if before[key].message["verdict"] != after[key].message["verdict"]
    ]
    return sorted(changes, key=lambda change: (not change.escapes, change.part_number)), len(both)


def write_verdict_page(
    place: Path, folder: Path, segment: RunSegment, changes: Sequence[VerdictChange], parts: int
) -> Path:
    """Write a page of the changes with each camera's picture: boxes before in blue, after in red."""
    place.mkdir(parents=True, exist_ok=True)
    sections = "".join(_format_section(place, folder, segment, change) for change in changes)
    text = (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>Verdict changes</title>"
        f"<style>{STYLE}</style><h1>{len(changes)} of {parts} verdicts change</h1>"
        f"<p>Segment {html.escape(segment.name)}, parts {segment.parts[0].part_number} to "
        f"{segment.parts[-1].part_number}. Boxes before: blue; after: red.</p>"
        f"<table><tr><th>part<th>before<th>after<th></tr>{''.join(map(_format_row, changes))}</table>"
        f"{sections}</html>"
    )
    page = place / "verdict-changes.html"
    page.write_text(text)
    return page


def _format_row(change: VerdictChange) -> str:
    escape = "<span class='escape'>would pass now</span>" if change.escapes else ""
    return (
        f"<tr><td><a href='#part-{change.part_number}'>{change.part_number}</a>"
        f"<td>{_format_verdict(change.before)}<td>{_format_verdict(change.after)}<td>{escape}</tr>"
    )


def _format_verdict(judged: Json) -> str:
    return f"{html.escape(judged['verdict'])} <small>{html.escape(judged['reason'])}</small>"


def _format_section(place: Path, folder: Path, segment: RunSegment, change: VerdictChange) -> str:
    part = next(part for part in segment.parts if part.part_number == change.part_number)
    figures = []
    for camera, frame in part.frames.items():
        picture = to_bgr(decode_frame(folder / FRAMES / frame.file))
        name = f"part-{change.part_number}-{camera}.jpg"
        cv2.imwrite(str(place / name), draw_changes(picture, change, camera))
        scores = "; ".join(
            f"{side} {_format_scores(judged, camera)}"
            for side, judged in (("before", change.before), ("after", change.after))
        )
        figures.append(
            f"<figure><img src='{name}' alt='{camera}'>"
            f"<figcaption>{camera}: {html.escape(scores)}</figcaption></figure>"
        )
    return (
        f"<section id='part-{change.part_number}'><h2>Part {change.part_number}</h2>"
        f"<p>{_format_verdict(change.before)} &rarr; {_format_verdict(change.after)}</p>"
        f"{''.join(figures)}</section>"
    )


def draw_changes(picture: Pixels, change: VerdictChange, camera: str) -> Pixels:
    """The picture as large as it is shown, with the boxes before and after; lines are screen pixels."""
    height, width = picture.shape[:2]
    scale = min(MAX_SHOWN_PX / width, MAX_SHOWN_PX / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    shown = cv2.resize(picture, size, interpolation=interpolation)
    for judged, colour, thickness in ((change.before, BEFORE_BGR, 6), (change.after, AFTER_BGR, 2)):
        for box in judged.get("detections", ()):
            if box["camera"] == camera:
                right, bottom = box["x"] + box["width"], box["y"] + box["height"]
                corners = [
                    (round(x * scale), round(y * scale))
                    for x, y in ((box["x"], box["y"]), (right, bottom))
                ]
                cv2.rectangle(shown, corners[0], corners[1], colour, thickness)
    return np.asarray(shown, np.uint8)


def _format_scores(judged: Json, camera: str) -> str:
    seen = [
        f"{box['label']} {box['score']:.2f}"
        for box in judged.get("detections", ())
        if box["camera"] == camera
    ]
    return ", ".join(seen) or "nothing"
