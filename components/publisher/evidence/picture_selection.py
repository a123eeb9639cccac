"""Which pictures go to the store, which wait, and which are given up: pure.

What is given up goes by tier: ok pictures first, those of defects last. Records are never given up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from publisher.configuration import KeepConfiguration, PublisherConfiguration
from sightline.messaging.messages import Part, Verdict

DropCause = Literal["unwanted", "pressure", "size", "age"]
VERDICT_TIERS: dict[Verdict, int] = {"ok": 0, "empty": 1, "missed": 2, "review": 3, "defect": 4}
MAX_VERDICT_WAIT_S = 60.0
MIB = 1024 * 1024
DAY_S = 86_400


@dataclass(frozen=True)
class SpoolPicture:
    """A finished picture in the spool; `part` is None if its place names none."""

    path: Path
    key: str
    part: Part | None
    size: int
    written_s: float


@dataclass(frozen=True)
class SelectionRules:
    """What is wanted, and how much may wait for the store, in bytes and seconds."""

    keep: KeepConfiguration
    max_bytes: int
    max_age_s: float
    pressure_share: float


@dataclass(frozen=True)
class PictureSelection:
    """What to store now, what to give up and why; what is in neither waits for its verdict."""

    to_store: list[SpoolPicture] = field(default_factory=list)
    to_drop: list[tuple[SpoolPicture, DropCause]] = field(default_factory=list)
    under_pressure: bool = False


def build_selection_rules(configuration: PublisherConfiguration) -> SelectionRules:
    """The rules as configured."""
    spool = configuration.spool
    return SelectionRules(
        configuration.keep,
        spool.max_mib * MIB,
        spool.max_age_days * DAY_S,
        configuration.pressure_share,
    )


def should_keep(verdict: Verdict, part: Part, keep: KeepConfiguration) -> bool:
    """Whether a part's pictures go to the store; all of a part's cameras share the answer."""
    if verdict == "ok":
        return keep.each_ok > 0 and part.part_number % keep.each_ok == 0
    return bool(getattr(keep, verdict))


def select_pictures(
    pictures: Sequence[SpoolPicture],
    verdicts: Mapping[Part, Verdict],
    rules: SelectionRules,
    now_s: float,
    outbox_pressed: bool,
) -> PictureSelection:
    """Sort the spool's pictures, the oldest first; an unknown verdict counts as the last to go."""
    choice = PictureSelection()
    rest: list[tuple[SpoolPicture, Verdict | None]] = []
    for picture in sorted(pictures, key=lambda picture: (picture.written_s, picture.key)):
        verdict = verdicts.get(picture.part) if picture.part is not None else None
        if now_s - picture.written_s > rules.max_age_s:
            choice.to_drop.append((picture, "age"))
        elif verdict and picture.part and not should_keep(verdict, picture.part, rules.keep):
            choice.to_drop.append((picture, "unwanted"))
        else:
            rest.append((picture, verdict))
    waiting_bytes = sum(picture.size for picture, _ in rest)
    pressed = outbox_pressed or waiting_bytes > rules.pressure_share * rules.max_bytes
    if pressed:
        choice.to_drop.extend((picture, "pressure") for picture, verdict in rest if verdict == "ok")
        rest = [entry for entry in rest if entry[1] != "ok"]
    over = _find_over_size(rest, rules.max_bytes)
    choice.to_drop.extend((picture, "size") for picture in over)
    given_up = set(over)
    all_wanted = _keeps_every_picture(rules.keep) and not pressed
    choice.to_store.extend(
        picture
        for picture, verdict in rest
        if picture not in given_up and (all_wanted or _is_decided(picture, verdict, now_s))
    )
    return PictureSelection(choice.to_store, choice.to_drop, pressed)


def _find_over_size(
    rest: Sequence[tuple[SpoolPicture, Verdict | None]], max_bytes: int
) -> list[SpoolPicture]:
    over_bytes = sum(picture.size for picture, _ in rest) - max_bytes
    over = []
    for picture, _ in sorted(rest, key=lambda entry: VERDICT_TIERS[entry[1] or "defect"]):
        if over_bytes <= 0:
            break
        over.append(picture)
        over_bytes -= picture.size
    return over


def _is_decided(picture: SpoolPicture, verdict: Verdict | None, now_s: float) -> bool:
    """The verdict is known, or will not come any more: then better keep the picture."""
    too_late = now_s - picture.written_s > MAX_VERDICT_WAIT_S
    return verdict is not None or picture.part is None or too_late


def _keeps_every_picture(keep: KeepConfiguration) -> bool:
    return keep == KeepConfiguration(defect=True, review=True, missed=True, empty=True, each_ok=1)
