"""The paths of the page; each handler asks a pure function or the store, and answers."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from cloud.bench import CameraViews
from cloud.orders import Orders
from cloud.store.store import PartsQuery, PastStore, RecordStore
from cloud.summary import Summary
from cloud.web.answers import STATIC, json_answer
from cloud.web.commissioning import commissioning_routes
from cloud.web.evidence import picture_path
from cloud.web.query import QueryError, parts_query, whole_number
from sightline.errors import RetryableError
from sightline.messages import Verdict

LOCAL_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
OUTCOMES_SHOWN = 200
REFUSALS_SHOWN = 50
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True)
class Link:
    """Whether the broker is there, whether what is published there comes, and when something came last."""

    connected: bool
    hears: bool
    heard_utc_ns: int | None


@dataclass(frozen=True)
class Sources:
    """What the page is made from."""

    store: RecordStore
    past: PastStore
    summary: Summary
    evidence: Path
    views: CameraViews
    orders: Orders
    link: Callable[[], Link]
    fault: Callable[[], str]
    notices: Callable[[], list[str]]
    utc_ns: Callable[[], int] = time.time_ns


def build_app(sources: Sources) -> Starlette:
    """The application; it holds no state of its own."""
    handlers = _Handlers(sources)
    return Starlette(
        routes=[
            Route("/", handlers.page),
            Route("/api/summary", handlers.summary),
            Route("/api/parts", handlers.parts),
            Route("/api/parts/{record_id:path}", handlers.part),
            Route("/api/commands", handlers.commands),
            Route("/api/commands/{command_id}", handlers.command),
            Route("/api/refused", handlers.refused),
            Route("/evidence/{key:path}", handlers.evidence),
            *commissioning_routes(sources.past, sources.views, sources.orders, sources.utc_ns),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=LOCAL_HOSTS),
            Middleware(_SafeHeaders),
        ],
        exception_handlers={RetryableError: _not_now},
    )


async def _not_now(_: Request, error: Exception) -> Response:
    return json_answer({"error": str(error)}, 503)


class _Handlers:
    """Plain functions: they run on the server's worker threads, where a database may be asked."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def page(self, _: Request) -> Response:
        return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})

    def summary(self, request: Request) -> Response:
        station = request.query_params.get("station")
        snapshot = self._sources.summary.snapshot(self._sources.utc_ns(), station)
        broker = {**asdict(self._sources.link()), "fault": self._sources.fault()}
        return json_answer({**snapshot, "broker": broker, "notices": self._sources.notices()})

    def parts(self, request: Request) -> Response:
        try:
            query: PartsQuery = parts_query(request.query_params, get_args(Verdict))
        except QueryError as error:
            return json_answer({"error": str(error)}, 400)
        page = self._sources.store.parts(query)
        bodies = [msgspec.Raw(body.encode()) for body in page.bodies]
        return json_answer({"parts": bodies, "next": page.next_cursor})

    def part(self, request: Request) -> Response:
        station = request.query_params.get("station")
        body = self._sources.store.part(request.path_params["record_id"], station)
        if body is None:
            return json_answer({"error": "no record has this id"}, 404)
        return json_answer(msgspec.Raw(body.encode()))

    def commands(self, request: Request) -> Response:
        try:
            limit = whole_number(request.query_params, "limit", OUTCOMES_SHOWN, 1, OUTCOMES_SHOWN)
        except QueryError as error:
            return json_answer({"error": str(error)}, 400)
        bodies = [msgspec.Raw(body.encode()) for body in self._sources.past.outcomes(limit)]
        return json_answer({"commands": bodies})

    def command(self, request: Request) -> Response:
        command_id = request.path_params["command_id"]
        station = request.query_params.get("station")
        bodies = self._sources.past.outcomes_of(command_id, station)
        told = [msgspec.json.decode(body) for body in bodies]
        last = next((one for one in told if one["result"] != "accepted"), None)
        state = last["result"] if last else "accepted" if told else "not known yet"
        return json_answer({"command_id": command_id, "state": state, "outcome": last})

    def refused(self, request: Request) -> Response:
        try:
            limit = whole_number(request.query_params, "limit", REFUSALS_SHOWN, 1, REFUSALS_SHOWN)
        except QueryError as error:
            return json_answer({"error": str(error)}, 400)
        shown = [
            {
                "topic": refusal.topic,
                "reason": refusal.reason,
                "payload": refusal.payload.decode("utf-8", errors="replace"),
                "refused_utc_ns": refusal.refused_utc_ns,
                "kind": refusal.kind,
            }
            for refusal in self._sources.past.refusals(limit)
        ]
        return json_answer({"refused": shown})

    def evidence(self, request: Request) -> Response:
        path = picture_path(self._sources.evidence, request.path_params["key"])
        if path is None:
            return json_answer({"error": "no picture has this key"}, 404)
        return FileResponse(
            path, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=60"}
        )


Message = dict[str, object]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class _SafeHeaders:
    """Adds to every answer what keeps a browser from running foreign text."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app
        self._headers = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items()]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.get("headers", [])
                message = {**message, "headers": [*_as_list(headers), *self._headers]}
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _as_list(headers: object) -> list[object]:
    return list(headers) if isinstance(headers, list | tuple) else []
