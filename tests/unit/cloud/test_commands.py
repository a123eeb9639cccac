"""What the page may order, from where, and what it gets to see of a station's bench."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from starlette.applications import Starlette

from cloud.live.camera_views import CameraViews
from cloud.live.site_summary import SiteSummary
from cloud.store.sqlite_store import SqliteStore
from cloud.web.app import BrokerLink, PageSources, build_app
from cloud.web.commissioning_routes import build_commissioning_routes
from cloud.wire.batches import ArrivedMessage, build_batch
from cloud.wire.commands import CommandSender
from cloud.wire.mqtt_subscriber import NotConfirmedError
from sightline.errors import TransportError
from sightline.messaging.codec import encode
from sightline.messaging.messages import (
    CameraView,
    Command,
    CommissioningStep,
    Fault,
    StationHealth,
)
from sightline.messaging.topics import (
    CAMERA_VIEW,
    COMMAND,
    COMMISSIONING_STEP,
    STATION_HEALTH,
    MessageStream,
)

NOW_NS = 1_790_000_000_000_000_000
ORIGIN = "http://127.0.0.1"
HOUR_NS = 3_600_000_000_000
AS_JSON = {"content-type": "application/json"}
ORDER = {"station": "station-1", "kind": "calibrate", "issued_by": "engineer"}


class Desk:
    """The paths of the commissioning over a store on disk, and what they sent."""

    def __init__(self, folder: Path) -> None:
        self.store = SqliteStore(folder / "records.sqlite")
        self.views = CameraViews()
        self.sent: list[tuple[str, bytes]] = []
        self.broker_is_away = False
        self.broker_is_silent = False
        self.command_sender = CommandSender(self._publish, lambda: NOW_NS)
        routes = build_commissioning_routes(
            self.store, self.views, self.command_sender, lambda: NOW_NS
        )
        self.app = Starlette(routes=routes)

    def _publish(self, topic: str, payload: bytes) -> None:
        if self.broker_is_away:
            raise TransportError("Cannot send: not connected to the broker")
        self.sent.append((topic, payload))
        if self.broker_is_silent:
            raise NotConfirmedError("the broker did not confirm it")

    def arrive(self, stream: MessageStream, message: msgspec.Struct) -> None:
        """A station's message comes from the broker."""
        arrival = ArrivedMessage(stream.build_topic("station-1"), encode(message), NOW_NS)
        batch = build_batch([arrival])
        assert batch.refusals == []
        self.views.add(batch.views)
        self.store.commit(batch)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """What the site answers."""

        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://127.0.0.1"
            ) as client:
                return await client.request(method, path, **more)

        return asyncio.run(asked())

    def get(self, path: str) -> dict[str, Any]:
        """A path's JSON."""
        answer: dict[str, Any] = self.ask("GET", path).json()
        return answer

    def order(self, content: dict[str, Any]) -> httpx.Response:
        """Order as the page does."""
        return self.ask("POST", "/api/commands", json=content, headers={"origin": ORIGIN})


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def a_view(camera: str, sequence: int) -> CameraView:
    return CameraView(
        station_id="station-1",
        camera=camera,
        device=f"/dev/{camera}",
        sequence=sequence,
        seen_utc_ns=NOW_NS + sequence,
        width=1280,
        height=720,
        focus=100.0,
        brightness=120.0,
        picture_key=f"live/station-1/{camera}.jpg",
    )


def a_step(command_id: str, text: str = "done so") -> CommissioningStep:
    return CommissioningStep(
        station_id="station-1",
        command_id=command_id,
        kind="calibrate",
        component="com.sightline.Capture",
        result="done",
        at_utc_ns=NOW_NS,
        text=text,
    )


def health(at_utc_ns: int, *faults: tuple[str, int]) -> StationHealth:
    return StationHealth(
        station_id="station-1",
        component="com.sightline.Capture",
        version="0.1.0",
        at_utc_ns=at_utc_ns,
        ready=True,
        faults=tuple(
            Fault(code=code, text=f"{code} is wrong", level="fault", since_utc_ns=since)
            for code, since in faults
        ),
    )


def test_an_order_becomes_a_command_to_its_station_with_an_end(desk: Desk) -> None:
    arguments = {"camera": "cam1", "squareMm": 15}
    order = {**ORDER, "lifetime_s": 20, "arguments": arguments}
    answer = desk.order(order)
    assert answer.status_code == 202
    ((topic, payload),) = desk.sent
    command = msgspec.json.decode(payload, type=Command)
    assert topic == COMMAND.build_topic("station-1")
    assert command.command_id == answer.json()["command_id"]
    assert (command.kind, command.issued_by) == ("calibrate", "engineer")
    assert command.expires_utc_ns - command.issued_utc_ns == 20_000_000_000
    assert command.arguments == {"camera": "cam1", "squareMm": 15.0}


def test_the_application_takes_and_lists_commands_on_one_route(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    sources = PageSources(
        store=desk.store,
        history=desk.store,
        summary=SiteSummary(),
        evidence=tmp_path,
        views=desk.views,
        command_sender=desk.command_sender,
        link=lambda: BrokerLink(connected=True, hears=True, heard_utc_ns=None),
        fault=lambda: "",
        notices=list,
    )
    desk.app = build_app(sources)
    sent = desk.order(ORDER)
    assert sent.status_code == 202
    assert desk.get("/api/commands") == {"commands": []}
    state = desk.get(f"/api/commands/{sent.json()['command_id']}")
    assert state["state"] == "not known yet"
    assert desk.ask("PUT", "/api/commands", json=ORDER).status_code == 405
    assert desk.ask("POST", "/api/orders", json=ORDER).status_code == 308


def test_the_former_route_redirects_and_keeps_method_and_body(desk: Desk) -> None:
    answer = desk.ask("POST", "/api/orders", json=ORDER, headers={"origin": ORIGIN})
    assert (answer.status_code, answer.headers["location"]) == (308, "/api/commands")
    assert desk.sent == []
    followed = desk.ask(
        "POST", "/api/orders", json=ORDER, headers={"origin": ORIGIN}, follow_redirects=True
    )
    assert followed.status_code == 202
    assert len(desk.sent) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"station": ""},
        {"station": "a/b"},
        {"station": "+"},
        {"station": "a\0b"},
        {"station": "$aws"},
        {"station": "x" * 129},
        {"kind": "bypass", "lifetime_s": 16},
        {"lifetime_s": 0},
        {"lifetime_s": 1e9},
        {"arguments": {"camera": ["cam1"]}},
        {"more": 1},
    ],
)
def test_an_order_that_is_none_is_refused(desk: Desk, change: dict[str, Any]) -> None:
    assert desk.order({**ORDER, **change}).status_code == 400
    assert desk.sent == []


def test_no_other_site_orders_for_a_person_who_looks_at_it(desk: Desk) -> None:
    body = msgspec.json.encode(ORDER)
    as_form = {"content-type": "text/plain"}
    foreign = {"content-type": "application/json", "origin": "http://evil.example"}
    odd = {"content-type": "application/json", "origin": "http://["}
    for headers in (as_form, foreign, odd):
        answer = desk.ask("POST", "/api/commands", content=body, headers=headers)
        assert answer.status_code == 403
    assert desk.sent == []


def test_a_broker_that_is_away_and_a_flood_are_said(desk: Desk) -> None:
    long = {**ORDER, "issued_by": "x" * 5000}
    assert desk.order(long).status_code == 413
    desk.broker_is_away = True
    answer = desk.order(ORDER)
    assert (answer.status_code, answer.json()) == (
        503,
        {"error": "Cannot send: not connected to the broker"},
    )


@pytest.mark.parametrize("body", [b"\xff\xfe", b'{"station":"\xff"}', b"", b"[" * 4000, b"null"])
def test_a_body_that_is_no_order_is_refused_in_words(desk: Desk, body: bytes) -> None:
    answer = desk.ask("POST", "/api/commands", content=body, headers=AS_JSON)
    assert answer.status_code == 400
    assert "cannot be read" in answer.json()["error"]


def test_a_body_without_end_is_refused_as_soon_as_it_is_too_large(desk: Desk) -> None:
    read: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            read.append(1000)
            yield b"x" * 1000

    answer = desk.ask("POST", "/api/commands", content=endless(), headers=AS_JSON)
    assert answer.status_code == 413
    assert sum(read) <= 6000
    told = {**AS_JSON, "content-length": "99999999999"}
    assert desk.ask("POST", "/api/commands", content=b"", headers=told).status_code == 413


def test_what_the_broker_did_not_confirm_is_not_known_yet_and_expires_soon(desk: Desk) -> None:
    desk.broker_is_silent = True
    answer = desk.order({**ORDER, "kind": "bypass"})
    assert answer.status_code == 202
    told = answer.json()
    assert told["state"] == "not known yet"
    ((_, payload),) = desk.sent
    command = msgspec.json.decode(payload, type=Command)
    assert told["command_id"] == command.command_id
    assert told["expires_utc_ns"] == command.expires_utc_ns
    assert command.expires_utc_ns - command.issued_utc_ns <= 15_000_000_000


def test_the_bench_shows_each_cameras_newest_view_and_the_steps_newest_first(desk: Desk) -> None:
    for view in (a_view("cam2", 1), a_view("cam1", 2), a_view("cam1", 4), a_view("cam1", 3)):
        desk.arrive(CAMERA_VIEW, view)
    for step in (a_step("c-1"), a_step("c-2"), a_step("c-2")):
        desk.arrive(COMMISSIONING_STEP, step)
    bench = desk.get("/api/bench/station-1")
    assert [(view["camera"], view["sequence"]) for view in bench["views"]] == [
        ("cam1", 4),
        ("cam2", 1),
    ]
    assert [step["command_id"] for step in bench["steps"]] == ["c-2", "c-1"]
    assert desk.get("/api/bench/station-2") == {"views": [], "steps": [], "now_utc_ns": NOW_NS}


def test_the_faults_of_the_last_day_are_listed_once_each_with_when_they_stood(desk: Desk) -> None:
    began = NOW_NS - 2 * HOUR_NS
    desk.arrive(STATION_HEALTH, health(NOW_NS - 30 * HOUR_NS, ("old", NOW_NS - 31 * HOUR_NS)))
    for minute in range(3):
        desk.arrive(STATION_HEALTH, health(began + minute * 60_000_000_000, ("cameras", began)))
    desk.arrive(STATION_HEALTH, health(NOW_NS - HOUR_NS))
    desk.arrive(STATION_HEALTH, health(NOW_NS, ("cameras", NOW_NS)))
    faults = desk.get("/api/faults/station-1")["faults"]
    assert [(f["code"], f["since_utc_ns"], f["until_utc_ns"]) for f in faults] == [
        ("cameras", NOW_NS, NOW_NS),
        ("cameras", began, began + 120_000_000_000),
    ]
    assert desk.get("/api/faults/station-2") == {"faults": []}


def test_the_target_is_drawn_in_the_size_that_is_asked_for(desk: Desk) -> None:
    answer = desk.ask("GET", "/commissioning/target.svg?square_mm=20")
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert 'width="240mm"' in answer.text
    for wrong in ("1000", "x", "nan", "-1"):
        answer = desk.ask("GET", f"/commissioning/target.svg?square_mm={wrong}")
        assert answer.status_code == 400
