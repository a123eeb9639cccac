"""What a person presses on the pages does what it says, up to the station's door and back."""

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from sightline.messaging.codec import decode
from sightline.messaging.messages import Command, CommandOutcome, Fault, Part
from sightline.messaging.topics import CAMERA_VIEW, COMMAND, COMMAND_OUTCOME, STATION_HEALTH
from tests.cloud.browser import CHROMIUM
from tests.cloud.browser_page import BrowserPage, open_browser
from tests.cloud.example_records import THING, defect, health, record
from tests.cloud.site_processes import BrokerProcess, RecordPublisher, SiteProcess, wait_for
from tests.cloud.test_commissioning_page import a_view

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


class Station:
    """The station's end: the commands that come, and the answers that a test gives."""

    def __init__(self, broker: BrokerProcess, sender: RecordPublisher, thing: str = THING) -> None:
        self._sender = sender
        self.commands: list[Command] = []
        self._listener = RecordPublisher(broker.port)
        self._listener.listen(COMMAND.build_topic(thing), self._take)

    def _take(self, payload: bytes) -> None:
        self.commands.append(decode(Command, payload))

    def command(self, kind: str) -> Command:
        """The command of this kind, once it has come."""
        found: list[Command] = wait_for(lambda: [c for c in self.commands if c.kind == kind])
        return found[-1]

    def answer(self, command: Command, result: Any, reason: str, part: Part | None = None) -> None:
        """Tell what became of it."""
        outcome = CommandOutcome(
            station_id=THING,
            command_id=command.command_id,
            kind=command.kind,
            issued_by=command.issued_by,
            result=result,
            decided_utc_ns=command.issued_utc_ns,
            reason=reason,
            from_part=part,
        )
        self._sender.send(outcome, COMMAND_OUTCOME)

    def close(self) -> None:
        """Leave the broker."""
        self._listener.close()


@contextlib.contextmanager
def stopped(broker: BrokerProcess) -> Iterator[None]:
    """The broker's process stands still, and its connections stay open."""
    broker.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        broker.send_signal(signal.SIGCONT)


@pytest.fixture
def station(broker: BrokerProcess, sender: RecordPublisher) -> Iterator[Station]:
    station = Station(broker, sender)
    yield station
    station.close()


@pytest.fixture
def page(site: SiteProcess, sender: RecordPublisher, tmp_path: Path) -> Iterator[BrowserPage]:
    """The first page of a station that makes bottles, has cans to make, and holds parts back."""
    now_ns = site.summary()["now_utc_ns"]
    facts = {"product": "bottle", "product_version": "3", "products": "bottle 3, can 1"}
    held = Fault(
        code="held-back", text="the challenge part 7-2 passed", level="fault", since_utc_ns=1
    )
    of_capture, of_inference = (
        health(f"com.sightline.{n}", now_ns) for n in ("Capture", "Inference")
    )
    sender.send(replace(of_capture, facts=facts), STATION_HEALTH)
    sender.send(replace(of_inference, faults=(held,)), STATION_HEALTH)
    for number in range(1, 31):
        sender.send(defect(number) if number == 7 else record(number))
    site.wait_received(30)
    with open_browser(site.page, tmp_path / "profile") as page:
        page.wait_for_text("#30")
        yield page


def test_a_changeover_is_asked_of_the_station_and_its_answer_is_shown(
    page: BrowserPage, station: Station
) -> None:
    page.choose("Product", "can")
    page.press("Change product")
    command = station.command("change_product")
    assert command.arguments == {"product": "can"}
    assert command.issued_by == "operator"
    station.answer(command, "accepted", "")
    station.answer(command, "done", "product can, version 1", Part(7, 31))
    page.wait_for_text("Done: product can, version 1, from part 31 on")


def test_a_lot_a_challenge_and_a_hold_are_sent_with_what_the_person_wrote(
    page: BrowserPage, station: Station
) -> None:
    page.write("Lot", " L-8 ")
    page.press("Start lot")
    assert station.command("lot_start").arguments == {"lot": "L-8"}
    page.write("Defect on the challenge part", "scratch")
    page.press("Challenge next part")
    assert station.command("challenge_part").arguments == {"label": "scratch"}
    page.press("Release hold 7-2")
    acknowledge = station.command("acknowledge_hold")
    assert acknowledge.arguments == {"hold": "7-2"}
    station.answer(acknowledge, "refused", "nothing is held back")
    page.wait_for_text("Refused: nothing is held back")


def test_each_hold_is_named_and_acknowledged_alone(
    page: BrowserPage, site: SiteProcess, sender: RecordPublisher, station: Station
) -> None:
    now_ns = site.summary()["now_utc_ns"]
    text = "the challenge part {} passed: all from 7-1 on is held back"
    held = Fault(code="held-back", text=text.format("7-2"), level="fault", since_utc_ns=1)
    inference = replace(health("com.sightline.Inference", now_ns), faults=(held,))
    sender.send(replace(inference, facts={"holds": "7-2, 7-9"}), STATION_HEALTH)
    page.press("Release hold 7-9")
    assert station.command("acknowledge_hold").arguments == {"hold": "7-9"}
    assert "Release hold 7-2" in page.text()


def test_a_command_that_the_broker_did_not_confirm_is_not_called_untaken_and_is_followed(
    page: BrowserPage, broker: BrokerProcess, station: Station
) -> None:
    with stopped(broker):
        page.press("Bypass")
        page.wait_for_text(
            "Not confirmed by the broker. The station may still carry out the command"
        )
    command = station.command("bypass")
    assert command.expires_utc_ns - command.issued_utc_ns <= 15_000_000_000
    station.answer(command, "done", "every part passes")
    page.wait_for_text("Done: every part passes")


def test_a_component_that_is_silent_is_named_with_its_last_words_and_restarted_by_a_button(
    site: SiteProcess, sender: RecordPublisher, station: Station, tmp_path: Path
) -> None:
    now_ns = site.summary()["now_utc_ns"]
    for name in ("Inference", "Publisher"):
        sender.send(health(f"com.sightline.{name}", now_ns), STATION_HEALTH)
    silent = health("com.sightline.Capture", now_ns - 60_000_000_000, fault="camera 2 is away")
    sender.send(silent, STATION_HEALTH)
    wait_for(lambda: len(site.summary()["health"]) == 3)
    with open_browser(site.page, tmp_path / "profile") as page:
        page.wait_for_text("Last report: “camera 2 is away”")
        assert page.text().count("Silent since") == 1
        assert "Restart it. If it stays silent, read its log at the station." in page.text()
        assert "Restart Inference" not in page.text()
        page.press("Restart Capture")
        command = station.command("restart_component")
        assert command.arguments == {"component": "com.sightline.Capture"}
        station.answer(command, "done", "Capture is started again")
        page.wait_for_text("Done: Capture is started again")


def test_when_all_are_silent_for_one_reason_it_is_said_once(
    site: SiteProcess, broker: BrokerProcess, sender: RecordPublisher, tmp_path: Path
) -> None:
    now_ns = site.summary()["now_utc_ns"]
    for name in ("Capture", "Inference", "Publisher"):
        sender.send(health(f"com.sightline.{name}", now_ns - 60_000_000_000), STATION_HEALTH)
    wait_for(lambda: len(site.summary()["health"]) == 3)
    with open_browser(site.page, tmp_path / "profile") as page:
        page.wait_for_text("No messages from the station since")
        assert "Silent since" not in page.text()
        assert "Restart" not in page.text()
        broker.kill()
        page.wait_for_text("the broker does not answer")
        page.wait_for_text("The broker does not answer. No messages since")
        assert page.text().count("No messages from any station since") == 1


def test_bypass_is_sent_only_after_the_person_was_warned(
    page: BrowserPage, station: Station
) -> None:
    page.press("Bypass")
    station.command("bypass")
    assert page.asked == ["Bypass: every part will pass the gate, also with defects. Continue?"]


def test_a_verdict_pressed_shows_its_parts_only_and_older_parts_come_when_asked_for(
    page: BrowserPage,
) -> None:
    assert "#6" not in page.text().split()
    page.press("Older parts")
    wait_for(lambda: "#6" in page.text().split())
    page.press("Defect")
    page.wait_for_text("Latest parts: Defect")
    wait_for(lambda: "#7" in page.text().split())
    assert "#30" not in page.text().split()
    page.press("Show all verdicts")
    wait_for(lambda: "#30" in page.text().split())


def test_held_the_list_rests_until_the_person_wants_new_parts(
    page: BrowserPage, site: SiteProcess, sender: RecordPublisher
) -> None:
    page.press("hold")
    page.wait_for_text("Resume updates")
    for number in (
        31,
        32,
    ):  # the figures go on; when they count 32, a list that does not rest shows 31
        sender.send(record(number))
        site.wait_received(number)
        page.wait_for_text(f"% of {number}")
    assert "#31" not in page.text().split()
    page.press("hold")
    wait_for(lambda: "#31" in page.text().split())


def test_a_part_found_by_its_number_opens_and_an_unknown_one_is_said_to_be_unknown(
    page: BrowserPage,
) -> None:
    page.write("number", "7")
    page.press("Find")
    page.wait_for_text("Part 7 · Defect")
    page.press("Close")
    page.wait_for_no_text("Part 7 · Defect")
    page.write("number", "99")
    page.press("Find")
    said = 'document.getElementById("number").validationMessage'
    wait_for(lambda: page.value(said) == "No record of part 99")


def test_a_part_is_found_by_its_serial_number(
    page: BrowserPage, site: SiteProcess, sender: RecordPublisher
) -> None:
    sender.send(replace(record(55), serial="SN-55/A"))
    page.wait_for_text("#55")
    page.write("number", "SN-55/A")
    page.press("Find")
    page.wait_for_text("Part 55 · OK")


def test_commissioning_asks_for_live_pictures_a_swap_of_cameras_and_a_calibration(
    site: SiteProcess, sender: RecordPublisher, station: Station, tmp_path: Path
) -> None:
    sender.send(health("com.sightline.Capture", site.summary()["now_utc_ns"]), STATION_HEALTH)
    for camera in ("cam1", "cam2"):
        sender.send(a_view(site, camera), CAMERA_VIEW)
    with open_browser(f"{site.page}/commissioning", tmp_path / "profile") as page:
        assert station.command("live_view").arguments == {}
        page.choose("Camera at position cam1", "cam2")
        swapped = {"cam1": "/dev/video-cam2", "cam2": "/dev/video-cam1"}
        assert station.command("map_cameras").arguments == swapped
        page.press("Calibrate")
        calibrate = station.command("calibrate").arguments
        assert calibrate == {"camera": "cam1", "squareMm": 15}


def test_of_two_stations_the_chosen_one_alone_is_shown_and_commanded(
    site: SiteProcess,
    broker: BrokerProcess,
    sender: RecordPublisher,
    station: Station,
    tmp_path: Path,
) -> None:
    now_ns = site.summary()["now_utc_ns"]
    other = Station(broker, sender, "station-2")
    for thing, product, number in ((THING, "bottle", 11), ("station-2", "can", 22)):
        facts = {"product": product, "product_version": "1"}
        capture = replace(health("com.sightline.Capture", now_ns), station_id=thing, facts=facts)
        sender.send(capture, STATION_HEALTH, thing)
        of_thing = record(number, thing)
        sender.send(of_thing, thing=thing)
    both = (THING, "station-2")
    wait_for(lambda: all(site.summary(thing)["records"]["received"] == 1 for thing in both))
    with open_browser(site.page, tmp_path / "profile") as page:
        page.wait_for_text("#11")
        assert "bottle 1" in page.text()
        page.choose("Station", "station-2")
        page.wait_for_text("#22")
        page.wait_for_text("can 1")
        assert "#11" not in page.text()
        page.press("Paused")
        assert other.command("pause").station_id == "station-2"
        assert page.value("location.search") == "?station=station-2"
    assert station.commands == []
    other.close()
