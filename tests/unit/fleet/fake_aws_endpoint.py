"""An AWS endpoint on this machine that knows a service from botocore's own model of it.

It takes what a real boto3 client sends over HTTP, reads it by the model, refuses what the model does not
allow, and answers in the model's words; an answer that the model does not know is an error, too.
"""

import base64
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

import botocore.session
from botocore.validate import ParamValidator

Json = dict[str, Any]
Handler = Callable[[Json], Json]


class ServiceRefusalError(Exception):
    """An error of the service, by its name in the model."""

    def __init__(self, code: str, words: str, status: int = 400) -> None:
        super().__init__(words)
        self.code, self.words, self.status = code, words, status


class ObjectService(Protocol):
    """A service that speaks no JSON, such as S3; it answers what is under its own paths."""

    def answer_object(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes] | None:
        """Status, headers and body; None if it is another service's."""


class BotocoreService:
    """A service of botocore; `handlers` has a function for each operation that it can do."""

    def __init__(self, name: str, handlers: Mapping[str, Handler]) -> None:
        self._model = botocore.session.get_session().get_service_model(name)
        self._handlers = handlers
        self._routes = [
            (self._model.operation_model(operation), _pattern(operation, self._model))
            for operation in handlers
        ]
        self._lock = threading.Lock()
        self.asked: Counter[str] = Counter()
        self.requests: list[tuple[str, Json]] = []
        self.changes: list[tuple[str, Json]] = []  # of all that is not a question

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, Json] | None:
        """Status and body of one request; None if it is another service's."""
        path, query = urlsplit(target).path, dict(parse_qsl(urlsplit(target).query))
        for operation, pattern in self._routes:
            found = pattern.fullmatch(path)
            if found and operation.http["method"] == method:
                request = _request(operation.input_shape, found, query, body)
                return self._do(operation, request)
        return None

    def _do(self, operation: Any, request: Json) -> tuple[int, Json]:
        report = ParamValidator().validate(request, operation.input_shape)
        broken = list(_broken(operation.input_shape, request, ""))
        if report.has_errors() or broken:
            words = report.generate_report() or "; ".join(broken)
            raise ServiceRefusalError("ValidationException", words)
        with self._lock:
            self.asked[operation.name] += 1
            self.requests.append((operation.name, request))
            if not operation.name.startswith(("List", "Get", "Describe")):
                self.changes.append((operation.name, request))
            answer = self._handlers[operation.name](request)
        unknown = set(answer) - set(operation.output_shape.members)
        missing = set(operation.output_shape.required_members) - set(answer)
        assert not unknown, f"{operation.name} answers {unknown}"
        assert not missing, f"{operation.name} answers no {missing}"
        return int(operation.http.get("responseCode", 200)), answer


@contextmanager
def serving(*services: BotocoreService, objects: ObjectService | None = None) -> Iterator[str]:
    """The services at one address of this machine, as long as the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(services, objects))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def page(key: str, entries: list[Any], request: Json) -> Json:
    """A page of a list, as long as the request allows, and the token of the next one."""
    begin = int(request.get("nextToken") or 0)
    end = begin + request.get("maxResults", 50)
    found: Json = {key: entries[begin:end]}
    return {**found, "nextToken": str(end)} if end < len(entries) else found


def snake_case(name: str) -> str:
    """`ListDeployments` to `list_deployments`."""
    words = (f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return "".join(words).strip("_")


def _answer(
    services: Sequence[BotocoreService], method: str, target: str, body: bytes
) -> tuple[int, Json]:
    for service in services:
        answer = service.answer(method, target, body)
        if answer is not None:
            return answer
    raise ServiceRefusalError("UnknownOperationException", f"{method} {target}", 404)


def _handler(
    services: Sequence[BotocoreService], objects: ObjectService | None
) -> type[BaseHTTPRequestHandler]:
    class Request(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if objects is not None:
                found = objects.answer_object(self.command, self.path, dict(self.headers), body)
                if found is not None:
                    self._send_bytes(*found)
                    return
            try:
                status, answer = _answer(services, self.command, self.path, body)
                self._send(status, answer)
            except ServiceRefusalError as refusal:
                answer = {"message": refusal.words, "__type": refusal.code}
                self._send(refusal.status, answer, refusal.code)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _any

        def _send_bytes(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def _send(self, status: int, answer: Json, code: str = "") -> None:
            content = json.dumps(answer, default=_plain).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if code:
                self.send_header("x-amzn-ErrorType", code)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Request


def _broken(shape: Any, value: Any, place: str) -> Iterator[str]:
    """What the model's patterns and greatest lengths do not allow; botocore itself looks at neither."""
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            if name in value:
                yield from _broken(member, value[name], f"{place}/{name}")
    elif shape.type_name == "list":
        for number, item in enumerate(value):
            yield from _broken(shape.member, item, f"{place}/{number}")
    elif shape.type_name == "map":
        for key, item in value.items():
            yield from _broken(shape.key, key, f"{place}/{key}")
            yield from _broken(shape.value, item, f"{place}/{key}")
    elif shape.type_name == "string":
        pattern, longest = shape.metadata.get("pattern"), shape.metadata.get("max")
        if pattern and not re.search(pattern, value):
            yield f"{place}: {value!r} does not match {pattern}"
        if longest and len(value) > longest:
            yield f"{place}: {len(value)} characters; at most {longest}"
        if shape.enum and value not in shape.enum:
            yield f"{place}: {value!r} is none of {shape.enum}"


def _pattern(operation: str, model: Any) -> re.Pattern[str]:
    uri = model.operation_model(operation).http["requestUri"].split("?")[0]
    named = re.sub(r"\\\{(\w+)(\\\+)?\\\}", r"(?P<\1>[^/]+)", re.escape(uri))
    return re.compile(f"{named}/?")


def _request(shape: Any, found: re.Match[str], query: Mapping[str, str], body: bytes) -> Json:
    content = json.loads(body or b"{}")
    request: Json = {}
    for name, member in shape.members.items():
        place = member.serialization.get("location")
        key = member.serialization.get("name", name)
        if place == "uri":
            request[name] = unquote(found.group(key))
        elif place == "querystring" and key in query:
            request[name] = int(query[key]) if member.type_name == "integer" else query[key]
        elif place is None and key in content:
            is_blob = member.type_name == "blob"
            request[name] = base64.b64decode(content[key]) if is_blob else content[key]
    unknown = set(content) - {m.serialization.get("name", n) for n, m in shape.members.items()}
    assert not unknown, f"found {unknown} in the body"
    return request


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"cannot write {type(value)}")
