"""The paths of the commissioning: what the cameras see, what was asked for, and what became of it."""

import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cloud.bench import CameraViews
from cloud.orders import Orders, facts_of, read_order
from cloud.store.store import PastStore
from cloud.web.answers import json_answer, page_answer
from sightline.calibration_target import (
    DEFAULT_SQUARE_MM,
    GREATEST_SQUARE_MM,
    LEAST_SQUARE_MM,
    Target,
    svg_of,
)
from sightline.errors import MessageError, TransportError

log = logging.getLogger(__name__)
STEPS_SHOWN = 50
REPORT_NS = 86_400_000_000_000
GREATEST_BODY_BYTES = 4096


class CommissioningHandlers:
    """Handlers that ask are plain functions on the server's threads; an order needs the body first."""

    def __init__(
        self, past: PastStore, views: CameraViews, orders: Orders, utc_ns: Callable[[], int]
    ) -> None:
        self._past = past
        self._views = views
        self._orders = orders
        self._utc_ns = utc_ns

    def page(self, _: Request) -> Response:
        """The page itself."""
        return page_answer("commissioning.html")

    def target(self, request: Request) -> Response:
        """The target of the calibration, to print."""
        text = request.query_params.get("square_mm", str(DEFAULT_SQUARE_MM))
        try:
            drawing = svg_of(Target(float(text)))
        except ValueError:
            return json_answer(
                {
                    "error": f"square_mm is {text[:40]!r}; {LEAST_SQUARE_MM:g} to "
                    f"{GREATEST_SQUARE_MM:g} is allowed"
                },
                400,
            )
        return Response(drawing, media_type="image/svg+xml")

    def bench(self, request: Request) -> Response:
        """A station's cameras as last seen, and the last steps of its commissioning."""
        station = request.path_params["station"]
        steps = [msgspec.Raw(body.encode()) for body in self._past.steps(station, STEPS_SHOWN)]
        views: list[dict[str, Any]] = self._views.of(station)
        return json_answer({"views": views, "steps": steps, "now_utc_ns": self._utc_ns()})

    def report(self, _: Request) -> Response:
        """The page of the hand-over report."""
        return page_answer("report.html")

    def faults(self, request: Request) -> Response:
        """A station's faults of the last 24 hours."""
        after_ns = self._utc_ns() - REPORT_NS
        found = self._past.faults(request.path_params["station"], after_ns)
        return json_answer({"faults": [asdict(fault) for fault in found]})

    async def order(self, request: Request) -> Response:
        """Send a command to a station; its id comes back, its outcome later."""
        refused = foreign(request)
        if refused:
            return json_answer({"error": refused}, 403)
        body = await _body_of(request)
        if body is None:
            answer = json_answer({"error": f"an order is at most {GREATEST_BODY_BYTES} bytes"}, 413)
            answer.headers["Connection"] = "close"  # what else comes is not read
            return answer
        return await run_in_threadpool(self._send, body)

    def _send(self, body: bytes) -> Response:
        try:
            order = read_order(body)
            sent = self._orders.send(order)
        except MessageError as error:
            return json_answer({"error": str(error)}, 400)
        except TransportError as error:
            return json_answer({"error": str(error)}, 503)
        if order.kind != "live_view":  # of which there are many
            log.info("order", extra={"command": sent.command_id, **facts_of(order)})
        return json_answer(asdict(sent), 202)


def foreign(request: Request) -> str:
    """Why a request is not of one of our pages, or nothing: no other site may order for a person."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        return "an order is sent as application/json"
    origin = request.headers.get("origin")
    if origin is not None and _place_of(origin) != request.headers.get("host"):
        return "an order comes from a page of this site"
    return ""


def _place_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


async def _body_of(request: Request) -> bytes | None:
    """The body, or None as soon as it is known to be too large."""
    told = request.headers.get("content-length", "0")
    if not told.isdigit() or int(told[:20]) > GREATEST_BODY_BYTES:
        return None
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > GREATEST_BODY_BYTES:
            return None
    return body


def commissioning_routes(
    past: PastStore, views: CameraViews, orders: Orders, utc_ns: Callable[[], int]
) -> list[Route]:
    """The rows for the application."""
    handlers = CommissioningHandlers(past, views, orders, utc_ns)
    return [
        Route("/commissioning", handlers.page),
        Route("/commissioning/target.svg", handlers.target),
        Route("/commissioning/report", handlers.report),
        Route("/api/faults/{station}", handlers.faults),
        Route("/api/bench/{station}", handlers.bench),
        Route("/api/orders", handlers.order, methods=["POST"]),
    ]
