"""One verdict for each part, whatever comes, and in order."""

import msgspec
import pytest

from inference.ledger.verdict_ledger import Ledger
from sightline.messaging.messages import Part, PartsAnnounced, PartSettled
from sightline.messaging.topics import PART_CAPTURED, PART_SETTLED, PARTS_ANNOUNCED
from tests.unit.inference.conftest import CAMERAS, EPOCH, InferenceUnderTest


def test_a_good_part_is_ok_and_names_the_models_that_judged(running: InferenceUnderTest) -> None:
    verdict = running.judge(1)
    assert (verdict.verdict, verdict.product_detected) == ("ok", True)
    assert [model.name for model in verdict.models] == ["surface", "cap"]
    assert len(verdict.timings.per_image_ms) == 4
    assert verdict.timings.model_ms > 0


def test_a_scratch_on_one_camera_is_a_defect_with_its_box_in_pixels_of_the_frame(
    running: InferenceUnderTest,
) -> None:
    verdict = running.judge(1, scratches=("cam3",))
    assert verdict.verdict == "defect"
    assert "scratch" in verdict.reason
    assert "cam3" in verdict.reason
    [scratch] = [found for found in verdict.detections if found.label == "scratch"]
    assert (scratch.camera, scratch.x, scratch.y) == ("cam3", 64, 96)
    assert (scratch.width, scratch.height) == (16, 16)


def test_a_verdict_names_only_what_it_rests_on(running: InferenceUnderTest) -> None:
    assert {found.label for found in running.judge(1).detections} == {"cap_present"}


def test_no_product_on_any_camera_is_empty(running: InferenceUnderTest) -> None:
    assert running.judge(1, caps=()).verdict == "empty"


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"cameras": ("cam1", "cam2", "cam4")}, "cam3 delivered no picture"),
        ({"dark": ("cam2",)}, "cam2 brightness out of range"),
        ({"caps": ("cam1", "cam2", "cam4")}, "no product seen by cam3"),
        ({"caps": (), "cameras": ("cam1",)}, "cam2 delivered no picture"),
    ],
)
def test_what_was_not_fully_seen_is_never_ok(
    running: InferenceUnderTest, how: dict[str, object], reason: str
) -> None:
    verdict = running.judge(1, **how)
    assert verdict.verdict == "review"
    assert reason in verdict.reason


def test_a_defect_stays_a_defect_when_a_camera_is_missing(running: InferenceUnderTest) -> None:
    assert running.judge(1, cameras=CAMERAS[:3], scratches=("cam1",)).verdict == "defect"


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"in_time_ms": -1}, "too late"),
        ({"boot": "another boot"}, "before the machine restarted"),
        ({"cameras": ()}, "no camera"),
    ],
)
def test_what_cannot_be_judged_in_time_is_missed(
    running: InferenceUnderTest, how: dict[str, object], reason: str
) -> None:
    verdict = running.judge(1, **how)
    assert verdict.verdict == "missed"
    assert reason in verdict.reason


def test_a_frame_whose_slot_was_reused_makes_the_part_missed_and_the_next_is_judged(
    running: InferenceUnderTest,
) -> None:
    late = running.capture(1)
    running.capture(2)
    fresh = running.capture(3)  # two slots: the first part's pixels are gone
    running.deliver(PART_CAPTURED, late)
    running.deliver(PART_CAPTURED, msgspec.structs.replace(fresh, part=Part(EPOCH, 2)))
    first, second = running.verdicts()
    assert first.verdict == "missed"
    assert "pictures no longer available" in first.reason
    assert second.verdict == "ok"


def test_numbers_that_were_skipped_are_missed_and_each_verdict_names_the_one_before(
    running: InferenceUnderTest,
) -> None:
    running.judge(1)
    running.judge(4)
    told = [(v.part.part_number, v.verdict) for v in running.verdicts()]
    assert told == [(1, "ok"), (2, "missed"), (3, "missed"), (4, "ok")]
    chain = [verdict.follows for verdict in running.verdicts()]
    assert chain == [None, *[verdict.part for verdict in running.verdicts()][:-1]]


def test_a_part_is_judged_once_only(running: InferenceUnderTest) -> None:
    captured = running.capture(1)
    running.deliver(PART_CAPTURED, captured)
    running.deliver(PART_CAPTURED, captured)
    assert len(running.verdicts()) == 1
    assert running.health.build_report().counters["parts_known_already"] == 1


def test_a_new_epoch_begins_at_its_first_number(running: InferenceUnderTest) -> None:
    running.judge(7, first_number=7)
    running.judge(3, epoch=EPOCH + 1, first_number=2)
    told = [(v.part.epoch, v.part.part_number, v.verdict) for v in running.verdicts()]
    assert told == [(EPOCH, 7, "ok"), (EPOCH + 1, 2, "missed"), (EPOCH + 1, 3, "ok")]


def test_parts_announced_become_missed_when_their_deadline_is_over_and_not_before(
    running: InferenceUnderTest,
) -> None:
    running.judge(1)
    running.deliver(PARTS_ANNOUNCED, announcement(running, 3, in_time_ms=60_000))
    assert len(running.verdicts()) == 1
    running.deliver(PARTS_ANNOUNCED, announcement(running, 3, in_time_ms=-1))
    assert [v.verdict for v in running.verdicts()] == ["ok", "missed", "missed"]


def test_an_announcement_of_another_boot_is_past_its_deadline(running: InferenceUnderTest) -> None:
    running.deliver(PARTS_ANNOUNCED, announcement(running, 2, in_time_ms=60_000, boot="earlier"))
    assert [v.verdict for v in running.verdicts()] == ["missed", "missed"]


def test_an_epoch_without_parts_announces_nothing_missed(running: InferenceUnderTest) -> None:
    running.deliver(PARTS_ANNOUNCED, announcement(running, 0, in_time_ms=-1))
    assert running.verdicts() == []


def test_the_verdict_is_on_disk_before_anyone_hears_of_it(
    running: InferenceUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Part | None] = []
    tell = running.exchange.publish

    def publish(stream: object, payload: bytes) -> None:
        other = Ledger(running.folder / "ledger.sqlite", 1000)
        heard.append(other.last_part)
        other.close()
        tell(stream, payload)  # type: ignore[arg-type]

    monkeypatch.setattr(running.exchange, "publish", publish)
    running.judge(1)
    assert heard == [Part(EPOCH, 1)]


def test_after_a_restart_what_was_not_settled_is_told_again_unchanged(
    running: InferenceUnderTest,
) -> None:
    told = [running.judge(number, scratches=("cam1",)) for number in (1, 2, 3)]
    running.deliver(PART_SETTLED, PartSettled(station_id=running.station, up_to=Part(EPOCH, 1)))
    running.stop()
    running.exchange.published.clear()
    running.start()
    running.run_until("the replay", lambda: len(running.verdicts()) >= 2)
    again = running.verdicts()
    assert all(verdict.replayed for verdict in again)
    assert [(v.part, v.verdict, v.follows) for v in again] == [
        (v.part, v.verdict, v.follows) for v in told[1:]
    ]


def test_after_a_restart_the_numbers_go_on_and_the_gap_is_missed(
    running: InferenceUnderTest,
) -> None:
    running.judge(1)
    running.stop()
    running.start()
    running.deliver(PART_CAPTURED, running.capture(3))
    fresh = [v for v in running.verdicts() if not v.replayed]
    assert [(v.part.part_number, v.verdict) for v in fresh] == [
        (1, "ok"),
        (2, "missed"),
        (3, "ok"),
    ]


def announcement(
    bench: InferenceUnderTest, last: int, *, in_time_ms: float, boot: str | None = None
) -> PartsAnnounced:
    """Capture's word on the last number it gave."""
    captured = bench.capture(1, in_time_ms=in_time_ms, boot=boot)
    return PartsAnnounced(
        station_id=bench.station,
        last=Part(EPOCH, last),
        deadline_monotonic_ns=captured.deadline_monotonic_ns,
        boot_id=captured.boot_id,
    )
