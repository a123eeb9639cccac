"""Records go from the broker to the page's paths, once each, whatever else arrives."""

import socket
import sqlite3
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from sightline.messaging.codec import encode
from sightline.messaging.topics import MACHINE_STATE_TO_CLOUD, STATION_HEALTH
from tests.cloud.example_records import THING, defect, health, machine_state, record
from tests.cloud.site_processes import (
    BrokerProcess,
    LoggedProcess,
    RecordPublisher,
    SiteProcess,
    ending,
    wait_for,
)


def test_a_record_sent_twice_is_one_row_and_one_duplicate(
    site: SiteProcess, sender: RecordPublisher, tmp_path: Path
) -> None:
    sender.send(record(1))
    sender.send(record(1))
    sender.send(defect(2))
    wait_for(lambda: site.summary()["records"]["duplicates"])
    summary = site.wait_received(2)
    assert summary["records"] == {
        "received": 2,
        "duplicates": 1,
        "refused": 0,
        "conflicts": 0,
        "unseen": 0,
    }
    assert (summary["parts"]["ok"], summary["parts"]["defect"]) == (1, 1)
    wait_for(lambda: site.summary()["latency_ms"]["trigger_to_verdict"]["p50"] == 110.0)
    with sqlite3.connect(tmp_path / "records.sqlite") as connection:
        rows = connection.execute("SELECT part_number, verdict FROM records").fetchall()
    connection.close()
    assert rows == [(1, "ok"), (2, "defect")]


def test_broken_messages_are_refused_with_a_reason_and_the_next_record_arrives(
    site: SiteProcess, sender: RecordPublisher
) -> None:
    unknown = msgspec.json.decode(encode(record(1))) | {"schemaVersion": 9}
    sender.send_bytes(b'{"recordId": "half')
    sender.send_bytes(msgspec.json.encode(unknown))
    sender.send_bytes(b"\xff\xfe" * 20)
    sender.send_bytes(b"[" * 9000)
    sender.send(record(2))
    assert site.wait_received(1)["records"]["refused"] == 4
    oversize, _, version, half = (entry["reason"] for entry in site.get("/api/refused")["refused"])
    assert "found 9000 bytes" in oversize
    assert "version 9" in version
    assert "InspectionRecord" in half


def test_health_and_machine_state_are_shown_as_they_are_now(
    site: SiteProcess, sender: RecordPublisher
) -> None:
    sender.send(health("com.sightline.Capture", 1, ready=False), STATION_HEALTH)
    sender.send(health("com.sightline.Capture", 2, fault="camera 2 is away"), STATION_HEALTH)
    sender.send(machine_state(3, vibration=3.9), MACHINE_STATE_TO_CLOUD)
    summary = wait_for(lambda: (found := site.summary())["machine"] and found)
    entry = summary["health"]["com.sightline.Capture"]
    assert (entry["ready"], entry["faults"][0]["text"]) == (True, "camera 2 is away")
    assert entry["counters"] == {"records_sent": 3}
    assert summary["machine"]["conveyor-1"]["values"][0]["value"] == 3.9


def test_what_two_stations_send_is_not_mixed(site: SiteProcess, sender: RecordPublisher) -> None:
    for thing, ready in (("station-2", False), (THING, True)):
        part = record(1, thing)
        sender.send(part, thing=thing)
        told_by_thing = replace(health("com.sightline.Capture", 5, ready=ready), station_id=thing)
        sender.send(told_by_thing, STATION_HEALTH, thing)
    sender.send(defect(2, thing="station-2"), thing="station-2")
    wait_for(lambda: site.summary("station-2")["records"]["received"] == 2)
    wait_for(lambda: site.summary()["health"])
    found = {name: site.summary(name) for name in (THING, "station-2", "")}
    assert {name: each["parts"]["defect"] for name, each in found.items()} == {
        THING: 0,
        "station-2": 1,
        "": 0,  # nobody named one: the first by name, and the answer says which
    }
    assert [each["station"] for each in found.values()] == [THING, "station-2", THING]
    assert found[""]["stations"] == [THING, "station-2"]
    told = [each["health"]["com.sightline.Capture"]["ready"] for each in found.values()]
    assert told == [True, False, True]
    parts = site.get("/api/parts?station=station-2")["parts"]
    assert [part["recordId"] for part in parts] == ["station-2-7-2", "station-2-7-1"]
    assert site.summary("station-9")["records"]["received"] == 0


def test_all_parts_are_read_page_by_page_newest_first(
    site: SiteProcess, sender: RecordPublisher
) -> None:
    for number in range(1, 24):
        sender.send(record(number))
    site.wait_received(23)
    numbers: list[int] = []
    path: str | None = "/api/parts?limit=10"
    while path:
        answer = site.get(path)
        numbers += [part["partNumber"] for part in answer["parts"]]
        more = answer["next"] is not None
        path = f"/api/parts?limit=10&before={answer['next']}" if more else None
    assert numbers == list(range(23, 0, -1))
    assert site.get("/api/parts?part=7")["parts"][0]["partNumber"] == 7


def test_a_part_is_given_as_it_was_sent(site: SiteProcess, sender: RecordPublisher) -> None:
    sender.send(defect(5))
    site.wait_received(1)
    status, _, body = site.raw(f"/api/parts/{defect(5).recordId}")
    assert (status, body) == (200, encode(defect(5)))
    assert site.raw("/api/parts/unknown")[0] == 404
    assert site.raw("/api/parts?limit=all")[0] == 400


def test_pictures_are_given_and_no_other_file(site: SiteProcess, tmp_path: Path) -> None:
    (site.evidence / "station-1").mkdir()
    (site.evidence / "station-1" / "cam1.jpg").write_bytes(b"\xff\xd8picture")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    status, headers, body = site.raw("/evidence/station-1/cam1.jpg")
    assert (status, headers["content-type"], body) == (200, "image/jpeg", b"\xff\xd8picture")
    ways_out = (
        "../secret.jpg",
        "%2e%2e/secret.jpg",
        "..%2fsecret.jpg",
        "station-1/../../secret.jpg",
    )
    absolute = f"/{tmp_path}/secret.jpg"
    for key in (*ways_out, absolute, "../records.sqlite"):
        status, _, body = site.raw(f"/evidence/{key}")
        assert (status, b"secret" in body) == (404, False), key


def test_every_answer_forbids_foreign_scripts_and_foreign_hosts(site: SiteProcess) -> None:
    for path in ("/", "/api/summary", "/static/dashboard.js", "/nothing"):
        headers = site.raw(path)[1]
        assert "default-src 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    assert site.raw("/api/summary", host="attacker.example")[0] == 400


def test_the_page_asks_nothing_of_the_network(site: SiteProcess) -> None:
    static = Path(__file__).parents[2] / "cloud" / "web" / "static"
    for file in static.iterdir():
        status, _, body = site.raw(f"/static/{file.name}")
        assert status == 200
        text = body.decode().replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text
        assert "https:" not in text


def test_sigterm_ends_it_at_once_and_cleanly_with_the_records_on_disk(
    tmp_path: Path, broker: BrokerProcess, site: SiteProcess, sender: RecordPublisher
) -> None:
    sender.send(record(1))
    site.wait_received(1)
    code, took_s = site.terminate()
    assert code == 0
    assert took_s < 2.0, site.log()
    assert "Traceback" not in site.log()
    again = SiteProcess(tmp_path, broker.port)
    with ending(again):
        assert again.summary()["records"]["received"] == 1
        assert again.summary()["latency_ms"]["model_only"]["p50"] == 100.0


def test_a_taken_port_is_named_and_another_one_serves(
    tmp_path: Path, broker: BrokerProcess
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        site = SiteProcess(tmp_path, broker.port, port)
        with ending(site):
            assert site.page != f"http://127.0.0.1:{port}"
            assert site.summary()["records"]["received"] == 0
            assert f"Port {port} is in use. The page is at {site.page}" in site.log()


def test_a_wanted_port_that_is_free_is_taken(tmp_path: Path, broker: BrokerProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    site = SiteProcess(tmp_path, broker.port, port)
    with ending(site):
        assert site.page == f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("days", ["0", "-1", "nan", "all"])
def test_days_to_keep_that_are_none_are_refused(tmp_path: Path, days: str) -> None:
    child = LoggedProcess(
        *(tmp_path, "cloud", "cloud", "--broker", "h:1", "--database", "d", "--evidence", "e"),
        *("--address-file", "a", "--keep-days", days),
    )
    assert child.exit_code() == 2
    assert "expected a number of days" in child.log()


@pytest.mark.parametrize("broker_text", ["nowhere", "host:", ":1883", "host:mqtt"])
def test_a_broker_that_is_no_address_is_refused(tmp_path: Path, broker_text: str) -> None:
    child = LoggedProcess(
        *(tmp_path, "cloud", "cloud", "--broker", broker_text, "--database", "d"),
        *("--evidence", "e", "--address-file", "a"),
    )
    assert child.exit_code() == 2
    assert "expected HOST:PORT" in child.log()
