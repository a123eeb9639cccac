"""What a person sees in a browser: parts with pictures and boxes, faults in words, nothing foreign."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from msgspec.structs import replace

from sightline.messaging.messages import EvidencePicture, Fault, ModelUse, RecordBox
from sightline.messaging.topics import (
    GAP_RECORD,
    GATE_CORRECTION,
    MACHINE_STATE_TO_CLOUD,
    STATION_HEALTH,
)
from tests.cloud.browser import CHROMIUM, extract_text, rendered
from tests.cloud.browser_page import open_browser
from tests.cloud.example_records import (
    SCRATCH,
    THING,
    correction,
    defect,
    gap,
    health,
    machine_state,
    record,
)
from tests.cloud.site_processes import (
    BrokerProcess,
    RecordPublisher,
    SiteProcess,
    ending,
    giving_up_after,
    wait_for,
)
from tests.unit.cloud.test_mqtt_subscriber import OddBroker

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
ATTACK = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"


def keep_picture(site: SiteProcess, key: str, width: int = 640, height: int = 360) -> None:
    """A grey JPEG; by itself smaller than its frame, in the frame's shape."""
    path = site.evidence / key
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((height, width, 3), 90, np.uint8))


def test_the_first_page_waits_for_the_first_part(site: SiteProcess, tmp_path: Path) -> None:
    assert "Waiting for the first part" in extract_text(rendered(site.page, tmp_path / "profile"))


def test_a_part_is_shown_with_number_verdict_picture_and_box(
    site: SiteProcess, sender: RecordPublisher, tmp_path: Path
) -> None:
    part = defect(4711)
    keep_picture(site, part.evidence[0].key)
    sender.send(part)
    sender.send(record(4712))
    site.wait_received(2)
    markup = rendered(site.page, tmp_path / "profile")
    text = extract_text(markup)
    for words in (
        "#4711",
        "Defect",
        "Scratch above the reject limit",
        "Gate: rejected",
        "110 ms",
    ):
        assert words in text
    assert "#4712" in text
    assert "No picture stored" in text
    assert f'src="/evidence/{part.evidence[0].key}"' in markup
    assert 'class="box" x="600" y="300" width="80" height="40"' in markup
    assert 'viewBox="0 0 1280 720"' in markup


def test_what_the_station_makes_is_shown_and_challenges_are_no_defects_of_the_production(
    site: SiteProcess, sender: RecordPublisher, tmp_path: Path
) -> None:
    facts = {
        "product": "bottle",
        "product_version": "3",
        "lot": "L-7",
        "products": "bottle 3, can 1",
    }
    held = Fault(
        code="held-back", text="the challenge part 7-2 passed", level="fault", since_utc_ns=1
    )
    capture = replace(health("com.sightline.Capture", 9), facts=facts)
    sender.send(capture, STATION_HEALTH)
    inference = replace(health("com.sightline.Inference", 9), faults=(held,))
    sender.send(inference, STATION_HEALTH)
    sender.send(defect(1, challenge="scratch", challengeResult="found"))
    sender.send(record(2, challenge="scratch", challengeResult="passed"))
    sender.send(record(3))
    site.wait_received(3)
    markup = rendered(f"{site.page}/?part=2", tmp_path / "profile")
    text = extract_text(markup)
    for words in (
        "bottle 3",
        "L-7",
        "1 detected, 1 missed",
        "the challenge part 7-2 passed",
        "Release hold 7-2",
    ):
        assert words in text
    assert "OK 1 100 % of 1" in text
    assert "Defect 0 0 % of 1" in text
    assert '<option value="can"' in markup
    assert (
        "Challenge part with a known scratch. MISSED: the station passed this challenge part. "
        "All parts since the last detected challenge are on hold. The gate passed the part." in text
    )


@pytest.mark.parametrize(
    ("told", "picture", "frame"),
    [
        ((1920, 1080), (1920, 1080), "1920 1080"),
        ((1920, 1080), (960, 540), "1920 1080"),
        ((1440, 1080), (360, 270), "1440 1080"),
        (None, (900, 900), "900 900"),
        (None, (1920, 1080), "1920 1080"),
        (None, (640, 360), "1280 720"),
        (None, (320, 240), "1280 960"),  # 4:3, halved twice: the box lies at 680 x 340
    ],
)
def test_boxes_are_drawn_in_the_pixels_of_their_frame_whatever_size_the_picture_has(
    site: SiteProcess,
    sender: RecordPublisher,
    tmp_path: Path,
    told: tuple[int, int] | None,
    picture: tuple[int, int],
    frame: str,
) -> None:
    part = defect(1, frameSizes={"cam2": told} if told else {})
    keep_picture(site, part.evidence[0].key, *picture)
    sender.send(part)
    site.wait_received(1)
    markup = rendered(site.page, tmp_path / "profile")
    assert f'viewBox="0 0 {frame}"' in markup
    assert 'class="box" x="600" y="300" width="80" height="40"' in markup


def test_boxes_lie_in_a_frame_of_any_size_as_the_page_works_it_out(
    site: SiteProcess, tmp_path: Path
) -> None:
    with open_browser(site.page, tmp_path / "profile") as page:
        page.value("import('/static/frame-size.js').then((m) => { window.frame_size = m; }), 0")
        wait_for(lambda: page.value("window.frame_size !== undefined"))
        for width, height in ((1280, 720), (1920, 1080), (1440, 1080), (2592, 1944), (4208, 3120)):
            for halvings in range(4):
                box = {"x": width - 9, "y": height - 9, "width": 9, "height": 9}
                kept = {"width": width >> halvings, "height": height >> halvings}
                sizes: list[dict[str, Any]] = [{}, {"frameSizes": {"cam1": [width, height]}}]
                for of_part in sizes:
                    words = ", ".join(json.dumps(each) for each in (of_part, "cam1", [box], kept))
                    found = page.value(f"window.frame_size.findFrameSize({words})")
                    assert found["width"] == pytest.approx(width, rel=0.02)
                    assert found["height"] == pytest.approx(height, rel=0.02)
        for odd in ("null", "{}", '{"cam1": [0, 9]}', '{"cam1": ["a", 1]}', '{"cam1": [1]}'):
            found = page.value(
                f'window.frame_size.findFrameSize({{frameSizes: {odd}}}, "cam1", [])'
            )
            assert found["width"] == 1280


def test_the_boxes_of_all_cameras_are_shown_and_named(
    site: SiteProcess, sender: RecordPublisher, tmp_path: Path
) -> None:
    names = ("cam10", "cam5", "top")
    boxes = {name: (replace(SCRATCH, x=number),) for number, name in enumerate(names)}
    sender.send(defect(1, cam2=(), otherCameras=boxes, missingCameras=("cam6",)))
    site.wait_received(1)
    markup = rendered(f"{site.page}/?part=1", tmp_path / "profile")
    large = markup[markup.index("pictures large") :]
    shown = [found.partition("<")[0] for found in large.split("<figcaption>")[1:]]
    assert [name.split()[0] for name in shown] == ["cam2", "cam5", "cam6", "cam10", "top"]
    assert "cam10 shows a scratch" in extract_text(markup)
    for number in range(3):
        assert f'class="box" x="{number}"' in large


@pytest.mark.parametrize("number", [1, 8])
def test_a_part_shows_the_cameras_that_it_had_and_no_others(
    site: SiteProcess, sender: RecordPublisher, tmp_path: Path, number: int
) -> None:
    cameras = [f"cam{place + 1}" for place in range(number)]
    pictures = tuple(EvidencePicture(camera=c, key=f"{THING}/7/1/{c}.jpg") for c in cameras)
    for picture in pictures:
        keep_picture(site, picture.key)
    sizes = dict.fromkeys(cameras, (1280, 720))
    sender.send(record(1, verdict="review", evidence=pictures, frameSizes=sizes))
    sender.send(record(2, frameSizes=sizes))
    site.wait_received(2)
    markup = rendered(f"{site.page}/?part=1", tmp_path / "profile")
    card = markup[markup.index('data-part="1"') : markup.index("pictures large")]
    large = markup[markup.index("pictures large") :]
    for shown in (card, large):
        assert [found.partition("<")[0] for found in shown.split("<figcaption>")[1:]] == cameras
    assert extract_text(markup).count("No picture stored") == 1  # of part 2, whose none was due


@pytest.mark.parametrize(
    ("width", "height"), [(200, 200), (4160, 3120), (3120, 4160), (1280, 720)], ids=str
)
def test_labels_and_lines_have_the_same_size_on_the_screen_for_any_picture(
    site: SiteProcess, sender: RecordPublisher, tmp_path: Path, width: int, height: int
) -> None:
    box = RecordBox(
        label="scratch",
        score=0.91,
        x=width // 2,
        y=height // 2,
        width=width // 10,
        height=height // 10,
    )
    part = defect(1, cam2=(box,), frameSizes={"cam2": (width, height)})
    keep_picture(site, part.evidence[0].key, width // 2, height // 2)
    sender.send(part)
    site.wait_received(1)
    with open_browser(f"{site.page}/?part=1", tmp_path / "profile") as page:
        wait_for(lambda: page.value("!!document.querySelector('.large .frame img.loaded')"))
        label = page.value(
            "(() => { const b = document.querySelector('.large .box-label').getBoundingClientRect();"
            " return [b.width, b.height]; })()"
        )
        frame = page.value(
            "(() => { const b = document.querySelector('.large .frame').getBoundingClientRect();"
            " return [b.width, b.height]; })()"
        )
        line = page.value(
            "(() => { const s = getComputedStyle(document.querySelector('.large rect.box'));"
            " return [s.strokeWidth, s.vectorEffect]; })()"
        )
    assert 60 < label[0] < 120
    assert 15 < label[1] < 24
    assert frame[0] / frame[1] == pytest.approx(width / height, rel=0.01)
    assert min(frame) > 300
    assert line[1] == "non-scaling-stroke"


def test_parts_that_nobody_saw_and_what_the_gate_did_later_are_said(
    site: SiteProcess, sender: RecordPublisher, tmp_path: Path
) -> None:
    sender.send(record(1207, gate="unconfirmed"))
    sender.send(gap(1208, 20000), GAP_RECORD)
    sender.send(correction(1207, "rejected", 1_790_000_000_000_000_000), GATE_CORRECTION)
    wait_for(lambda: site.summary()["gate"]["rejected"] == 1)
    text = extract_text(rendered(f"{site.page}/?part=1207", tmp_path / "profile"))
    assert "Parts 1208 to 20000: not inspected" in text
    assert "Missed 18,793" in text
    assert "18,793 not inspected" in text
    assert "Gate Rejected (corrected at" in text
    assert "Gate in the record Not confirmed" in text
    found = extract_text(rendered(f"{site.page}/?part=1500", tmp_path / "profile"))
    assert "The line counted these parts, but the station did not inspect them." in found


def test_what_was_refused_and_what_came_again_otherwise_is_listed(
    site: SiteProcess, sender: RecordPublisher, tmp_path: Path
) -> None:
    sender.send(record(1))
    sender.send(record(1, reason="another"))
    sender.send(record(2, "station-2"))  # on the topic of station-1
    wait_for(lambda: site.summary()["records"]["refused"])
    text = extract_text(rendered(site.page, tmp_path / "profile"))
    assert "1 dead letter · 1 conflict" in text
    assert (
        "station-1-7-1 was received again with different values of reason; the first version is kept"
        in text
    )
    assert "stationId is 'station-2', but the topic belongs to 'station-1'" in text


def test_a_broker_that_hands_nothing_on_is_not_called_live(tmp_path: Path) -> None:
    broker = OddBroker(deaf_connections=10**6)
    site = SiteProcess(tmp_path, broker.port)
    with ending(site):
        wait_for(lambda: site.summary()["broker"]["connected"])
        wait_for(lambda: not site.summary()["broker"]["hears"])
        markup = rendered(site.page, tmp_path / "profile")
        assert ">No messages</span>" in markup
        text = extract_text(markup)
        assert "The broker is connected but delivers no messages" in text
    broker.close()


def test_a_database_that_was_damaged_is_said_to_be_set_aside(
    tmp_path: Path, broker: BrokerProcess
) -> None:
    (tmp_path / "records.sqlite").write_bytes(b"no database at all" * 999)
    site = SiteProcess(tmp_path, broker.port)
    with ending(site):
        text = extract_text(rendered(site.page, tmp_path / "profile"))
        assert "records.sqlite is damaged" in text
        assert "It is kept as records.sqlite.damaged-" in text


def test_a_site_that_does_not_answer_any_more_is_said_to_be_gone(
    site: SiteProcess, tmp_path: Path
) -> None:
    with giving_up_after(site, answers=2) as address:
        text = extract_text(rendered(address, tmp_path / "profile"))
    assert "Connection lost" in text
    assert "No answer from the server. The figures are from" in text


def test_a_part_asked_for_by_number_opens_with_the_reason_in_words(
    site: SiteProcess, sender: RecordPublisher, tmp_path: Path
) -> None:
    for number in (4710, 4711, 4712):
        sender.send(replace(defect(number), serial="SN-77") if number == 4711 else record(number))
    site.wait_received(3)
    text = extract_text(rendered(f"{site.page}/?part=4711", tmp_path / "profile"))
    assert "Part 4711 · Defect" in text
    assert "SN-77" in text
    assert "Defect: cam2 shows a scratch (score 0.91, 12.5 mm). The gate rejected the part." in text
    assert "ab" * 8 in text


def test_a_defect_that_the_gate_let_pass_is_said_loudly(
    site: SiteProcess, sender: RecordPublisher, tmp_path: Path
) -> None:
    sender.send(defect(3, gate="passed"))
    site.wait_received(1)
    text = extract_text(rendered(f"{site.page}/?part=3", tmp_path / "profile"))
    assert "THE GATE PASSED THIS PART." in text


def test_a_part_that_did_not_go_where_the_gate_sent_it_is_said_loudly(
    site: SiteProcess, sender: RecordPublisher, tmp_path: Path
) -> None:
    sender.send(defect(3, gate="rejected", gateConfirmation="not_arrived"))
    site.wait_received(1)
    text = extract_text(rendered(f"{site.page}/?part=3", tmp_path / "profile"))
    assert "BUT IT DID NOT ARRIVE IN THE REJECT BIN." in text
    assert "Rejected, did not arrive" in text


def test_faults_and_limits_are_shown_in_words(
    site: SiteProcess, sender: RecordPublisher, tmp_path: Path
) -> None:
    now_ns = site.summary()["now_utc_ns"]
    component = health("com.sightline.Equipment", now_ns, fault="The PLC does not answer")
    sender.send(component, STATION_HEALTH)
    sender.send(health("com.sightline.Capture", 1), STATION_HEALTH)
    sender.send(machine_state(now_ns, vibration=3.9), MACHINE_STATE_TO_CLOUD)
    sender.send(record(1))
    site.wait_received(1)
    text = extract_text(rendered(site.page, tmp_path / "profile"))
    assert "Fault The PLC does not answer" in text
    assert "Capture 0.1.0 Silent" in text
    assert "Last report: ready, no fault" in text
    assert "3.90 mm/s outside normal range 0.5 to 3.5" in text


def test_text_from_outside_stays_text(
    site: SiteProcess, sender: RecordPublisher, tmp_path: Path
) -> None:
    box = RecordBox(label=ATTACK, score=0.9, x=1, y=2, width=3, height=4)
    hostile = defect(
        *(9,),
        reason=ATTACK,
        lot=ATTACK,
        product=ATTACK,
        cam1=(box,),
        models=(ModelUse(name=ATTACK, digest=ATTACK),),
    )
    sender.send(hostile)
    sender.send(health(ATTACK, 1, fault=ATTACK), STATION_HEALTH)
    site.wait_received(1)
    markup = rendered(f"{site.page}/?part=9", tmp_path / "profile")
    assert "<title>Sightline</title>" in markup
    assert "<script>document" not in markup
    assert "<img src=x" not in markup.replace('="<img src=x', "")
    assert "&lt;script&gt;" in markup
