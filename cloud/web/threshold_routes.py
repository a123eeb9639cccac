"""The HTTP routes of the thresholds' page: those in force, and the effect of others before they are set."""

import math
from collections.abc import Callable, Iterator, Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cloud.live.threshold_effect import ProductTiers, ThresholdEffect, compute_effect, select_parts
from cloud.store.record_store import PartsQuery, RecordStore
from cloud.web.query_string import QueryError, parse_query_number
from cloud.web.responses import json_response, page_response
from sightline.storage.products import LabelTiers, parse_tiers
from sightline.vision.threshold_basis import change_tiers

INFERENCE = "com.sightline.Inference"
THRESHOLDS_FACT = "thresholds"
TIER_NAMES = ("reject", "review", "keep")
DEFAULT_PARTS = 200
MAX_PARTS = 1000
EXAMPLES_SHOWN = 8
SCAN_PAGE_PARTS = 500
MAX_SCANNED_PARTS = 4000
FindFact = Callable[[str | None, str, str], tuple[str, str]]  # station, component, name


class ThresholdHandlers:
    """Plain functions: they run on the server's worker threads, which may query the database."""

    def __init__(self, store: RecordStore, find_fact: FindFact) -> None:
        self._store = store
        self._find_fact = find_fact

    def serve_page(self, _: Request) -> Response:
        """The page itself."""
        return page_response("thresholds.html")

    def serve_thresholds(self, request: Request) -> Response:
        """The thresholds in force at a station."""
        station, found = self._load_present(request)
        products = [
            {"name": of.product, "version": of.version, "labels": _show_labels(of.tiers)}
            for of in found.values()
        ]
        return json_response({"station": station, "products": products})

    def serve_effect(self, request: Request) -> Response:
        """What other thresholds of a label would have made of the last parts."""
        try:
            return json_response(self._compute_effect(request))
        except QueryError as error:
            return json_response({"error": str(error)}, 400)

    def _load_present(self, request: Request) -> tuple[str, dict[str, ProductTiers]]:
        station, text = self._find_fact(
            request.query_params.get("station"), INFERENCE, THRESHOLDS_FACT
        )
        told = parse_tiers(text).items()
        return station, {name: ProductTiers(name, *of) for name, of in told}

    def _compute_effect(self, request: Request) -> dict[str, object]:
        values = request.query_params
        limit = parse_query_number(values, "parts", DEFAULT_PARTS, 1, MAX_PARTS)
        station, products = self._load_present(request)
        present = _find_product(products, values.get("product", ""))
        label = values.get("label", "")
        if label not in present.tiers:
            known = ", ".join(sorted(present.tiers)) or "none"
            raise QueryError(f"label is {label[:64]!r}; {present.product} has {known}")
        try:
            tiers = change_tiers(present.tiers[label], parse_scores(values))
        except ValueError as error:
            raise QueryError(str(error)) from error
        bodies = select_parts(self._scan_bodies(station), present, limit)
        effect = compute_effect(bodies, present.tiers, {**present.tiers, label: tiers})
        return {
            "station": station,
            "product": present.product,
            "version": present.version,
            "label": label,
            "present": _show_tiers(present.tiers[label]),
            "after": _show_tiers(tiers),
            **show_effect(effect),
        }

    def _scan_bodies(self, station: str) -> Iterator[str]:
        cursor: int | None = None
        for _ in range(MAX_SCANNED_PARTS // SCAN_PAGE_PARTS):
            page = self._store.load_parts(
                PartsQuery(SCAN_PAGE_PARTS, before=cursor, station=station)
            )
            yield from page.bodies
            cursor = page.next_cursor
            if cursor is None:
                return


def parse_scores(values: Mapping[str, str]) -> dict[str, float]:
    """The tiers that a query gives; QueryError names one that is no score."""
    return {tier: _parse_score(tier, values[tier]) for tier in TIER_NAMES if tier in values}


def _parse_score(tier: str, text: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not 0 < score <= 1:
        raise QueryError(f"{tier} is {text[:40]!r}; more than 0 and at most 1 is allowed")
    return score


def _find_product(products: Mapping[str, ProductTiers], name: str) -> ProductTiers:
    if not products:
        raise QueryError(
            "the station has not reported its thresholds: its inference is silent or of an earlier version"
        )
    if name not in products:
        raise QueryError(f"product is {name[:64]!r}; the station has {', '.join(sorted(products))}")
    return products[name]


def _show_labels(tiers: Mapping[str, LabelTiers]) -> dict[str, dict[str, float]]:
    return {label: _show_tiers(of_label) for label, of_label in tiers.items()}


def _show_tiers(tiers: LabelTiers) -> dict[str, float]:
    return {tier: getattr(tiers, tier) for tier in TIER_NAMES}


def show_effect(effect: ThresholdEffect) -> dict[str, object]:
    """The effect as JSON, with some records of each change."""
    return {
        "parts": effect.parts,
        "unchanged": effect.unchanged,
        "unknown": effect.unknown,
        "changes": [
            {
                "before": change.before,
                "after": change.after,
                "count": len(change.bodies),
                "examples": [msgspec.Raw(body.encode()) for body in change.bodies[:EXAMPLES_SHOWN]],
            }
            for change in effect.changes
        ],
    }


def build_threshold_routes(store: RecordStore, find_fact: FindFact) -> list[Route]:
    """Build the routes for the application."""
    handlers = ThresholdHandlers(store, find_fact)
    return [
        Route("/thresholds", handlers.serve_page),
        Route("/api/thresholds", handlers.serve_thresholds),
        Route("/api/threshold-effect", handlers.serve_effect),
    ]
