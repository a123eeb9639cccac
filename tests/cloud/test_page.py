"""What a person sees in a browser: parts with pictures and boxes, faults in words, nothing foreign."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from msgspec.structs import replace

from sightline.messages import Fault, ModelUse, RecordBox
from sightline.topics import MACHINE_STATE_TO_CLOUD, STATION_HEALTH
from tests.cloud.browser import CHROMIUM, rendered, text_of
from tests.cloud.records import defect, health, machine_state, record
from tests.cloud.running import Sender, Site, giving_up_after

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
ATTACK = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"


def keep_picture(site: Site, key: str, width: int = 640, height: int = 360) -> None:
    """A grey JPEG; by itself smaller than its frame, in the frame's shape."""
    path = site.evidence / key
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((height, width, 3), 90, np.uint8))


def test_the_first_page_waits_for_the_first_part(site: Site, tmp_path: Path) -> None:
    assert "Waiting for the first part" in text_of(rendered(site.page, tmp_path / "profile"))


def test_a_part_is_shown_with_number_verdict_picture_and_box(
    site: Site, sender: Sender, tmp_path: Path
) -> None:
    part = defect(4711)
    keep_picture(site, part.evidence[0].key)
    sender.send(part)
    sender.send(record(4712))
    site.wait_received(2)
    markup = rendered(site.page, tmp_path / "profile")
    text = text_of(markup)
    for words in (
        "#4711",
        "Defect",
        "Scratch above the reject limit",
        "Gate rejected it",
        "110 ms",
    ):
        assert words in text
    assert "#4712" in text
    assert "no picture kept" in text
    assert f'src="/evidence/{part.evidence[0].key}"' in markup
    assert 'class="box" x="600" y="300" width="80" height="40"' in markup
    assert 'viewBox="0 0 1280 720"' in markup


def test_what_the_station_makes_is_shown_and_challenges_are_no_defects_of_the_production(
    site: Site, sender: Sender, tmp_path: Path
) -> None:
    facts = {
        "product": "bottle",
        "product_version": "3",
        "lot": "L-7",
        "products": "bottle 3, can 1",
    }
    held = Fault(code="held-back", text="part 7-2 passed", level="fault", since_utc_ns=1)
    capture = replace(health("com.sightline.Capture", 9), facts=facts)
    sender.send(capture, STATION_HEALTH)
    inference = replace(health("com.sightline.Inference", 9), faults=(held,))
    sender.send(inference, STATION_HEALTH)
    sender.send(defect(1, challenge="scratch", challengeResult="found"))
    sender.send(record(2, challenge="scratch", challengeResult="passed"))
    sender.send(record(3))
    site.wait_received(3)
    markup = rendered(f"{site.page}/?part=2", tmp_path / "profile")
    text = text_of(markup)
    for words in (
        "bottle 3",
        "L-7",
        "1 found, 1 passed",
        "part 7-2 passed",
        "Acknowledge the hold",
    ):
        assert words in text
    assert "OK 1 100 % of 1" in text
    assert "Defect 0 0 % of 1" in text
    assert '<option value="can"' in markup
    assert "A challenge part, known to have a scratch: THE STATION JUDGED IT GOOD" in text


def test_boxes_on_a_picture_of_another_shape_are_in_its_own_pixels(
    site: Site, sender: Sender, tmp_path: Path
) -> None:
    part = defect(1)
    keep_picture(site, part.evidence[0].key, 900, 900)
    sender.send(part)
    site.wait_received(1)
    assert 'viewBox="0 0 900 900"' in rendered(site.page, tmp_path / "profile")


def test_a_site_that_does_not_answer_any_more_is_said_to_be_gone(
    site: Site, tmp_path: Path
) -> None:
    with giving_up_after(site, answers=2) as address:
        text = text_of(rendered(address, tmp_path / "profile"))
    assert "Connection lost" in text
    assert "No answer from the site. The figures are those of" in text


def test_a_part_asked_for_by_number_opens_with_the_reason_in_one_sentence(
    site: Site, sender: Sender, tmp_path: Path
) -> None:
    for number in (4710, 4711, 4712):
        sender.send(defect(number) if number == 4711 else record(number))
    site.wait_received(3)
    text = text_of(rendered(f"{site.page}/?part=4711", tmp_path / "profile"))
    assert "Part 4711 · Defect" in text
    assert (
        "Rejected because cam2 shows a scratch (score 91 %, 12.5 mm); the gate took it out." in text
    )
    assert "ab" * 8 in text


def test_a_defect_that_the_gate_let_pass_is_said_loudly(
    site: Site, sender: Sender, tmp_path: Path
) -> None:
    sender.send(defect(3, gate="passed"))
    site.wait_received(1)
    text = text_of(rendered(f"{site.page}/?part=3", tmp_path / "profile"))
    assert "BUT THE GATE LET IT PASS" in text


def test_faults_and_limits_are_shown_in_words(site: Site, sender: Sender, tmp_path: Path) -> None:
    now_ns = site.summary()["now_utc_ns"]
    component = health("com.sightline.Equipment", now_ns, fault="The PLC does not answer")
    sender.send(component, STATION_HEALTH)
    sender.send(health("com.sightline.Capture", 1), STATION_HEALTH)
    sender.send(machine_state(now_ns, vibration=3.9), MACHINE_STATE_TO_CLOUD)
    sender.send(record(1))
    site.wait_received(1)
    text = text_of(rendered(site.page, tmp_path / "profile"))
    assert "Fault The PLC does not answer" in text
    assert "Capture 0.1.0 Silent" in text
    assert "3.90 mm/s outside normal 0.5 to 3.5" in text


def test_text_from_outside_stays_text(site: Site, sender: Sender, tmp_path: Path) -> None:
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
