"""What answers of all pages have in common."""

from pathlib import Path

import msgspec
from starlette.responses import FileResponse, Response

STATIC_FOLDER = Path(__file__).parent / "static"


def json_response(content: object, status: int = 200) -> Response:
    """JSON that no browser keeps."""
    return Response(
        msgspec.json.encode(content),
        status,
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def page_response(name: str) -> Response:
    """One of the pages."""
    return FileResponse(STATIC_FOLDER / name, headers={"Cache-Control": "no-cache"})
