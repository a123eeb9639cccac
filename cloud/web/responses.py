"""Responses shared by all pages."""

from pathlib import Path

import msgspec
from starlette.responses import FileResponse, Response

STATIC_FOLDER = Path(__file__).parent / "static"


def json_response(content: object, status: int = 200) -> Response:
    """A JSON response that browsers do not cache."""
    return Response(
        msgspec.json.encode(content),
        status,
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def page_response(name: str) -> Response:
    """A response with one of the HTML pages."""
    return FileResponse(STATIC_FOLDER / name, headers={"Cache-Control": "no-cache"})
