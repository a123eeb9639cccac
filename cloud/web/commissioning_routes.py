"""The HTTP routes of the commissioning page: camera views, steps, faults, and sending commands."""

import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from cloud.live.camera_views import CameraViews
from cloud.store.record_store import HistoryStore
from cloud.web.responses import json_response, page_response
from cloud.wire.commands import CommandSender, describe_request, parse_command_request
from sightline.errors import MessageError, TransportError
from sightline.imaging.calibration_target import (
    DEFAULT_SQUARE_MM,
    MAX_SQUARE_MM,
    MIN_SQUARE_MM,
    CalibrationTarget,
    build_target_svg,
)

log = logging.getLogger(__name__)
STEPS_SHOWN = 50
REPORT_PERIOD_NS = 86_400_000_000_000
MAX_REQUEST_BYTES = 4096


class CommissioningHandlers:
    """Handlers that query are plain functions on worker threads; a command reads its body first."""

    def __init__(
        self,
        history: HistoryStore,
        views: CameraViews,
        command_sender: CommandSender,
        utc_ns: Callable[[], int],
    ) -> None:
        self._history = history
        self._views = views
        self._command_sender = command_sender
        self._utc_ns = utc_ns

    def serve_page(self, _: Request) -> Response:
        """The page itself."""
        return page_response("commissioning.html")

    def serve_calibration_target(self, request: Request) -> Response:
        """The calibration target, to print."""
        text = request.query_params.get("square_mm", str(DEFAULT_SQUARE_MM))
        try:
            drawing = build_target_svg(CalibrationTarget(float(text)))
        except ValueError:
            return json_response(
                {
                    "error": f"square_mm is {text[:40]!r}; a number from {MIN_SQUARE_MM:g} to "
                    f"{MAX_SQUARE_MM:g} is allowed"
                },
                400,
            )
        return Response(drawing, media_type="image/svg+xml")

    def serve_camera_views(self, request: Request) -> Response:
        """A station's cameras as last seen, and the last steps of its commissioning."""
        station = request.path_params["station"]
        steps = [
            msgspec.Raw(body.encode()) for body in self._history.load_steps(station, STEPS_SHOWN)
        ]
        views: list[dict[str, Any]] = self._views.for_station(station)
        return json_response({"views": views, "steps": steps, "now_utc_ns": self._utc_ns()})

    def report(self, _: Request) -> Response:
        """The page of the hand-over report."""
        return page_response("report.html")

    def serve_past_faults(self, request: Request) -> Response:
        """A station's faults of the last 24 hours."""
        after_ns = self._utc_ns() - REPORT_PERIOD_NS
        found = self._history.load_faults(request.path_params["station"], after_ns)
        return json_response({"faults": [asdict(fault) for fault in found]})

    async def post_command(self, request: Request) -> Response:
        """Send a command to a station; answers with its id, the outcome follows later."""
        refused = find_origin_problem(request)
        if refused:
            return json_response({"error": refused}, 403)
        body = await _read_body(request)
        if body is None:
            answer = json_response(
                {"error": f"a command is at most {MAX_REQUEST_BYTES} bytes"}, 413
            )
            answer.headers["Connection"] = "close"  # what else comes is not read
            return answer
        return await run_in_threadpool(self._send_command, body)

    def redirect_old_route(self, _: Request) -> Response:
        """Redirect the route's former name; 308 keeps method and body."""
        return RedirectResponse("/api/commands", 308)

    def _send_command(self, body: bytes) -> Response:
        try:
            command = parse_command_request(body)
            sent = self._command_sender.send(command)
        except MessageError as error:
            return json_response({"error": str(error)}, 400)
        except TransportError as error:
            return json_response({"error": str(error)}, 503)
        if command.kind != "live_view":  # of which there are many
            log.info(
                "command sent", extra={"command": sent.command_id, **describe_request(command)}
            )
        return json_response(asdict(sent), 202)


def find_origin_problem(request: Request) -> str:
    """Why a request does not come from one of our pages; empty if it does."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        return "a command must be sent as application/json"
    origin = request.headers.get("origin")
    if origin is not None and _parse_host(origin) != request.headers.get("host"):
        return "a command must come from a page of this site"
    return ""


def _parse_host(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


async def _read_body(request: Request) -> bytes | None:
    """The body, or None as soon as it is known to be too large."""
    told = request.headers.get("content-length", "0")
    if not told.isdigit() or int(told[:20]) > MAX_REQUEST_BYTES:
        return None
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_REQUEST_BYTES:
            return None
    return body


def build_commissioning_routes(
    history: HistoryStore,
    views: CameraViews,
    command_sender: CommandSender,
    utc_ns: Callable[[], int],
) -> list[Route]:
    """Build the routes for the application."""
    handlers = CommissioningHandlers(history, views, command_sender, utc_ns)
    return [
        Route("/commissioning", handlers.serve_page),
        Route("/commissioning/target.svg", handlers.serve_calibration_target),
        Route("/commissioning/report", handlers.report),
        Route("/api/faults/{station}", handlers.serve_past_faults),
        Route("/api/bench/{station}", handlers.serve_camera_views),
        Route("/api/commands", handlers.post_command, methods=["POST"]),
        Route("/api/orders", handlers.redirect_old_route, methods=["POST"]),
    ]
