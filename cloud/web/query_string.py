"""Parses the query string of `/api/parts`."""

from collections.abc import Mapping, Sequence

from cloud.store.record_store import PartsQuery
from sightline.errors import FatalError

DEFAULT_PAGE_LIMIT = 50
MAX_PAGE_LIMIT = 500
MAX_QUERY_NUMBER = 2**63 - 1


class QueryError(FatalError):
    """A value in the query string is not allowed; names it and the allowed values."""


def parse_parts_query(values: Mapping[str, str], verdicts: Sequence[str]) -> PartsQuery:
    """Parse the query; QueryError if a value is not allowed."""
    verdict = values.get("verdict")
    if verdict is not None and verdict not in verdicts:
        raise QueryError(f"verdict is {verdict!r}; allowed values: {', '.join(verdicts)}")
    return PartsQuery(
        limit=parse_query_number(values, "limit", DEFAULT_PAGE_LIMIT, 1, MAX_PAGE_LIMIT),
        before=_parse_optional(values, "before"),
        part_number=_parse_optional(values, "part"),
        verdict=verdict,
        station=values.get("station"),
        serial=values.get("serial"),
    )


def parse_query_number(
    values: Mapping[str, str], name: str, default: int, low: int, high: int
) -> int:
    """Parse a whole number within limits; QueryError if it is not one."""
    text = values.get(name)
    if text is None:
        return default
    plain = text.isascii() and text.isdigit() and len(text) <= 19
    if not plain or not low <= int(text) <= high:
        raise QueryError(f"{name} is {text[:40]!r}; a whole number from {low} to {high} is allowed")
    return int(text)


def _parse_optional(values: Mapping[str, str], name: str) -> int | None:
    return None if name not in values else parse_query_number(values, name, 0, 0, MAX_QUERY_NUMBER)
