"""The token exchange service: provides AWS credentials to components over HTTP on the loopback interface.

The AWS SDKs find it by two environment variables.
"""

import asyncio
import contextlib
import http
import logging
from collections.abc import Mapping
from pathlib import Path

import msgspec

from sightline.errors import RecipeError

log = logging.getLogger(__name__)
HOST = "127.0.0.1"
PATH = "/2016-11-01/credentialprovider/"
MAX_TOKEN_REQUEST_BYTES = 16 * 1024
REQUEST_TIMEOUT_S = 5.0


class AwsCredentials(msgspec.Struct, frozen=True, rename="pascal", forbid_unknown_fields=True):
    """A component's credentials; `expiration` is ISO 8601, so that SDKs refresh in time."""

    access_key_id: str
    secret_access_key: str
    token: str = ""
    expiration: str = "2100-01-01T00:00:00Z"

    def __repr__(self) -> str:
        """Omit the secrets: this may be logged."""
        return f"Credentials({self.access_key_id})"


def load_credentials(path: Path) -> AwsCredentials:
    """Load the credentials in a JSON file; RecipeError if there are none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=AwsCredentials)
    except (OSError, msgspec.DecodeError) as error:
        raise RecipeError(f"{path}: no credentials: {error}") from error


class TokenExchangeService:
    """Answers GET with the credentials if the request has a component's token, else with 403."""

    def __init__(self, credentials: AwsCredentials, tokens: Mapping[str, str]) -> None:
        self._content = msgspec.json.encode(credentials)
        self._tokens = tokens
        self._server: asyncio.AbstractServer | None = None
        self._port = 0

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(
            self._serve_request, HOST, 0, limit=MAX_TOKEN_REQUEST_BYTES
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the socket."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def build_environment(self, token: str) -> dict[str, str]:
        """Build the environment variables for a component's SDK."""
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{HOST}:{self._port}{PATH}",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": token,
        }

    async def _serve_request(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            request = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), REQUEST_TIMEOUT_S)
            writer.write(self._response(request))
            await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.TimeoutError):
            log.warning("malformed request for credentials")
        except ConnectionError as error:
            log.warning("client closed the connection before it got credentials: %s", error)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def _response(self, request: bytes) -> bytes:
        first, *lines = request.decode("latin-1").split("\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        if headers.get("authorization") not in self._tokens:
            return _build_response(http.HTTPStatus.FORBIDDEN, b"")
        method, _, rest = first.partition(" ")
        if method != "GET":
            return _build_response(http.HTTPStatus.METHOD_NOT_ALLOWED, b"")
        if rest.partition(" ")[0] != PATH:
            return _build_response(http.HTTPStatus.NOT_FOUND, b"")
        return _build_response(http.HTTPStatus.OK, self._content)


def _build_response(status: http.HTTPStatus, content: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + content
