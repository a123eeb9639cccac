"""The page's HTTP routes; each handler calls a pure function or the store."""

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

from cloud.live.camera_views import CameraViews
from cloud.live.site_summary import SiteSummary
from cloud.store.record_store import HistoryStore, PartsQuery, RecordStore
from cloud.web.commissioning_routes import build_commissioning_routes
from cloud.web.evidence_files import find_picture_path
from cloud.web.query_string import QueryError, parse_parts_query, parse_query_number
from cloud.web.responses import STATIC_FOLDER, json_response
from cloud.web.threshold_routes import build_threshold_routes
from cloud.wire.commands import CommandSender
from sightline.errors import RetryableError
from sightline.messaging.messages import Verdict

LOCAL_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
OUTCOMES_SHOWN = 200
REFUSALS_SHOWN = 50
SAFE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True)
class BrokerLink:
    """Whether the broker is connected, whether messages arrive, and when the last one arrived."""

    connected: bool
    hears: bool
    heard_utc_ns: int | None


@dataclass(frozen=True)
class PageSources:
    """The sources of the page's data."""

    store: RecordStore
    history: HistoryStore
    summary: SiteSummary
    evidence: Path
    views: CameraViews
    command_sender: CommandSender
    link: Callable[[], BrokerLink]
    fault: Callable[[], str]
    notices: Callable[[], list[str]]
    utc_ns: Callable[[], int] = time.time_ns


def build_app(sources: PageSources) -> Starlette:
    """Build the application; it has no state of its own."""
    handlers = _PageHandlers(sources)
    return Starlette(
        routes=[
            Route("/", handlers.serve_page),
            Route("/api/summary", handlers.serve_summary),
            Route("/api/parts", handlers.serve_parts),
            Route("/api/parts/{record_id:path}", handlers.serve_part),
            Route("/api/commands", handlers.serve_command_outcomes),
            Route("/api/commands/{command_id}", handlers.serve_command_state),
            Route("/api/refused", handlers.serve_refusals),
            Route("/evidence/{key:path}", handlers.serve_evidence_picture),
            *build_commissioning_routes(
                sources.history, sources.views, sources.command_sender, sources.utc_ns
            ),
            *build_threshold_routes(sources.store, sources.summary.find_fact),
            Mount("/static", StaticFiles(directory=STATIC_FOLDER)),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=LOCAL_HOSTS),
            Middleware(_SafeHeaders),
        ],
        exception_handlers={RetryableError: _service_unavailable},
    )


async def _service_unavailable(_: Request, error: Exception) -> Response:
    return json_response({"error": str(error)}, 503)


class _PageHandlers:
    """Plain functions: they run on the server's worker threads, which may query the database."""

    def __init__(self, sources: PageSources) -> None:
        self._sources = sources

    def serve_page(self, _: Request) -> Response:
        return FileResponse(STATIC_FOLDER / "index.html", headers={"Cache-Control": "no-cache"})

    def serve_summary(self, request: Request) -> Response:
        station = request.query_params.get("station")
        snapshot = self._sources.summary.snapshot(self._sources.utc_ns(), station)
        broker = {**asdict(self._sources.link()), "fault": self._sources.fault()}
        return json_response({**snapshot, "broker": broker, "notices": self._sources.notices()})

    def serve_parts(self, request: Request) -> Response:
        try:
            query: PartsQuery = parse_parts_query(request.query_params, get_args(Verdict))
        except QueryError as error:
            return json_response({"error": str(error)}, 400)
        page = self._sources.store.load_parts(query)
        bodies = [msgspec.Raw(body.encode()) for body in page.bodies]
        return json_response({"parts": bodies, "next": page.next_cursor})

    def serve_part(self, request: Request) -> Response:
        station = request.query_params.get("station")
        body = self._sources.store.load_part(request.path_params["record_id"], station)
        if body is None:
            return json_response({"error": "no record with this id"}, 404)
        return json_response(msgspec.Raw(body.encode()))

    def serve_command_outcomes(self, request: Request) -> Response:
        try:
            limit = parse_query_number(
                request.query_params, "limit", OUTCOMES_SHOWN, 1, OUTCOMES_SHOWN
            )
        except QueryError as error:
            return json_response({"error": str(error)}, 400)
        bodies = [msgspec.Raw(body.encode()) for body in self._sources.history.load_outcomes(limit)]
        return json_response({"commands": bodies})

    def serve_command_state(self, request: Request) -> Response:
        command_id = request.path_params["command_id"]
        station = request.query_params.get("station")
        bodies = self._sources.history.load_outcomes_for_command(command_id, station)
        told = [msgspec.json.decode(body) for body in bodies]
        last = next((one for one in told if one["result"] != "accepted"), None)
        state = last["result"] if last else "accepted" if told else "not known yet"
        return json_response({"command_id": command_id, "state": state, "outcome": last})

    def serve_refusals(self, request: Request) -> Response:
        try:
            limit = parse_query_number(
                request.query_params, "limit", REFUSALS_SHOWN, 1, REFUSALS_SHOWN
            )
        except QueryError as error:
            return json_response({"error": str(error)}, 400)
        shown = [
            {
                "topic": refusal.topic,
                "reason": refusal.reason,
                "payload": refusal.payload.decode("utf-8", errors="replace"),
                "refused_utc_ns": refusal.refused_utc_ns,
                "kind": refusal.kind,
            }
            for refusal in self._sources.history.load_refusals(limit)
        ]
        return json_response({"refused": shown})

    def serve_evidence_picture(self, request: Request) -> Response:
        path = find_picture_path(self._sources.evidence, request.path_params["key"])
        if path is None:
            return json_response({"error": "no picture with this key"}, 404)
        return FileResponse(
            path, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=60"}
        )


AsgiMessage = dict[str, object]
AsgiReceive = Callable[[], Awaitable[AsgiMessage]]
AsgiSend = Callable[[AsgiMessage], Awaitable[None]]


class _SafeHeaders:
    """Adds security headers to every response."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app
        self._headers = [(k.lower().encode(), v.encode()) for k, v in SAFE_HEADERS.items()]

    async def __call__(self, scope: AsgiMessage, receive: AsgiReceive, send: AsgiSend) -> None:
        async def send_with_headers(message: AsgiMessage) -> None:
            if message["type"] == "http.response.start":
                headers = message.get("headers", [])
                message = {**message, "headers": [*_to_list(headers), *self._headers]}
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _to_list(headers: object) -> list[object]:
    return list(headers) if isinstance(headers, list | tuple) else []
