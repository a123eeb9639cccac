"""Thresholds are set on a page and by a command; what they would do to the last parts is seen before."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace

from cloud.command import main
from sightline.messaging.messages import Part, ThresholdBasis
from sightline.messaging.topics import STATION_HEALTH
from tests.cloud.browser import CHROMIUM
from tests.cloud.browser_page import BrowserPage, open_browser
from tests.cloud.example_records import defect, health, record
from tests.cloud.site_processes import BrokerProcess, RecordPublisher, SiteProcess, wait_for
from tests.cloud.test_buttons import Station

IN_FORCE = "bottle 3: dent 0.5/0.35/0.2 scratch 0.6/0.4/0.2"


@pytest.fixture
def station(site: SiteProcess, broker: BrokerProcess, sender: RecordPublisher) -> Iterator[Station]:
    """A station with two good parts and a scratched one."""
    inference = replace(
        health("com.sightline.Inference", site.summary()["now_utc_ns"]),
        facts={"thresholds": IN_FORCE},
    )
    sender.send(inference, STATION_HEALTH)
    for number, score in ((1, 0.0), (2, 0.3)):
        sender.send(record(number, policyVersion="3", thresholdBasis=basis(score)))
    sender.send(defect(3, policyVersion="3", thresholdBasis=basis(0.91)))
    site.wait_received(3)
    wait_for(lambda: site.get("/api/thresholds")["products"])
    station = Station(broker, sender)
    yield station
    station.close()


def basis(score: float) -> ThresholdBasis:
    """Of a part that shows the product, with a scratch of this score, or none."""
    scores = {"scratch": score} if score else {}
    return ThresholdBasis(scores=scores, min_score=0.2, otherwise="ok")


@pytest.fixture
def page(site: SiteProcess, station: Station, tmp_path: Path) -> Iterator[BrowserPage]:
    with open_browser(f"{site.page}/thresholds", tmp_path / "profile") as page:
        page.press("scratch")
        page.wait_for_text("scratch of bottle")
        yield page


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_the_effect_is_shown_before_a_threshold_is_applied_and_the_answer_after(
    page: BrowserPage, station: Station
) -> None:
    page.wait_for_text("Of the last 3 parts, 3 would keep their verdict")
    assert page.value("document.querySelector('.apply').disabled")
    page.write("review", "0.3")
    page.wait_for_text("1 OK would become Review; 2 would keep their verdict")
    assert "#2" in page.text()
    page.write("reject", "0.95")
    page.wait_for_text("1 Defect would become Review, 1 OK would become Review")
    assert station.commands == []
    page.press("Apply")
    command = station.command("set_threshold")
    assert command.issued_by == "engineer"
    changed = {"reject": 0.95, "review": 0.3}
    assert command.arguments == {"product": "bottle", "label": "scratch", **changed}
    station.answer(command, "done", "bottle is version 3+1", Part(7, 4))
    page.wait_for_text("Done: bottle is version 3+1, from part 4 on")


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_threshold_takes_those_along_that_it_is_moved_past_and_unknown_parts_are_said(
    page: BrowserPage,
) -> None:
    page.write("review", "0.1")
    page.wait_for_text("Of 1 parts it is unknown")
    assert page.value("document.querySelector('[aria-label=\"keep\"]').value") == "0.1"
    page.press("Undo")
    page.wait_for_text("Of the last 3 parts, 3 would keep their verdict")
    assert page.value("document.querySelector('[aria-label=\"keep\"]').value") == "0.2"


WORDS = ("set-threshold", "--product", "bottle", "--label", "scratch", "--reject", "0.95")


def test_the_command_shows_the_same_effect_and_sends_nothing_in_a_dry_run(
    site: SiteProcess, station: Station, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*WORDS, "--page", site.page, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "scratch of bottle 3: reject 0.6 to 0.95" in told
    assert "Of the last 3 parts, 2 would keep their verdict, and of 0 it is unknown." in told
    assert "1 defect would become review: part 3" in told
    assert station.commands == []


@pytest.mark.parametrize(
    ("result", "reason", "code", "told"),
    [
        ("done", "bottle is version 3+1", 0, "done: bottle is version 3+1, from part 4 on"),
        ("refused", "not allowed to 'engineer'", 1, "refused: not allowed to 'engineer'"),
    ],
)
def test_a_command_line_waits_for_the_stations_outcome(
    site: SiteProcess,
    station: Station,
    capsys: pytest.CaptureFixture[str],
    result: str,
    reason: str,
    code: int,
    told: str,
) -> None:
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(main, [*WORDS, "--page", site.page])
        command = station.command("set_threshold")
        assert command.arguments == {"product": "bottle", "label": "scratch", "reject": 0.95}
        station.answer(command, result, reason, Part(7, 4) if result == "done" else None)
        assert answer.result(60) == code
    output = capsys.readouterr()
    assert told in output.out + output.err
