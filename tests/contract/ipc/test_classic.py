"""Our nucleus in the dialect `classic` differs from Lite where the Java nucleus does."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hil.nucleus.dialects.dialect import CLASSIC, LITE, Dialect
from hil.nucleus.ipc import ipc_messages
from hil.nucleus.ipc.eventstream import (
    PRELUDE_BYTES,
    TYPE_TRUE,
    EventStreamFrame,
    EventStreamHeader,
    decode_event_frame,
    encode_event_frame,
    integer_header,
    read_frame_length,
    text_header,
)
from tests.unit.nucleus.ipc_kit import TOKEN, ServedIpc

Serve = Callable[[Dialect], ServedIpc]


class Client:
    """A client that makes its frames by hand."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def send(
        self, kind: int, flags: int, stream: int, payload: bytes = b"", *more: EventStreamHeader
    ) -> None:
        """Send one frame."""
        values = ((":message-type", kind), (":message-flags", flags), (":stream-id", stream))
        common = tuple(integer_header(name, value) for name, value in values)
        self._connection.sendall(encode_event_frame(EventStreamFrame((*common, *more), payload)))

    def request(self, stream: int, operation: str, body: Any) -> None:
        """Send a request."""
        payload = json.dumps(body).encode()
        self.send(
            0, 0, stream, payload, text_header("operation", ipc_messages.NAMESPACE + operation)
        )

    def receive(self) -> ipc_messages.IpcMessage | None:
        """The next frame, or None at the end of the connection."""
        prelude = self._exactly(PRELUDE_BYTES)
        if prelude is None:
            return None
        rest = self._exactly(read_frame_length(prelude, 2**24) - PRELUDE_BYTES)
        assert rest is not None
        return ipc_messages.parse_message(
            decode_event_frame(prelude + rest), common_types_only=False
        )

    def _exactly(self, count: int) -> bytes | None:
        data = b""
        while len(data) < count:
            more = self._connection.recv(count - len(data))
            if not more:
                return None
            data += more
        return data


@contextmanager
def client_of(serving: ServedIpc, token: str = TOKEN) -> Iterator[Client]:
    """A client that has sent its connect."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(5)
        connection.connect(serving.socket)
        client = Client(connection)
        client.send(ipc_messages.CONNECT, 0, 0, json.dumps({"authToken": token}).encode())
        yield client


@contextmanager
def connected(serving: ServedIpc) -> Iterator[Client]:
    """A client whose connect was accepted."""
    with client_of(serving) as client:
        accepted = client.receive()
        assert accepted is not None
        assert (accepted.type, accepted.flags) == (ipc_messages.CONNECT_ACK, ipc_messages.ACCEPTED)
        yield client


def answer(client: Client, stream: int, operation: str, body: Any) -> ipc_messages.IpcMessage:
    """The first frame that comes after a request."""
    client.request(stream, operation, body)
    message = client.receive()
    assert message is not None
    return message


def test_a_response_that_does_not_stream_ends_its_stream(serve: Serve) -> None:
    with connected(serve(CLASSIC)) as client:
        response = answer(client, 1, "GetConfiguration", {"keyPath": ["text"]})
    assert response.flags == ipc_messages.END_OF_STREAM


def test_a_response_that_opens_a_stream_leaves_it_open(serve: Serve) -> None:
    with connected(serve(CLASSIC)) as client:
        response = answer(client, 1, "SubscribeToTopic", {"topic": "conf/a"})
    assert response.flags == 0


def test_lite_ends_no_stream_with_a_response(serve: Serve) -> None:
    with connected(serve(LITE)) as client:
        response = answer(client, 1, "GetConfiguration", {"keyPath": ["text"]})
    assert response.flags == 0


def test_a_stream_that_the_client_ends_is_ended_by_the_nucleus_too(serve: Serve) -> None:
    with connected(serve(CLASSIC)) as client:
        answer(client, 1, "SubscribeToTopic", {"topic": "conf/a"})
        client.send(ipc_messages.MESSAGE, ipc_messages.END_OF_STREAM, 1)
        ended = client.receive()
    assert ended is not None
    assert (ended.type, ended.flags, ended.stream) == (
        ipc_messages.MESSAGE,
        ipc_messages.END_OF_STREAM,
        1,
    )


def test_an_error_has_its_text_under_both_names_and_the_service(serve: Serve) -> None:
    with connected(serve(CLASSIC)) as client:
        refused = answer(client, 1, "SubscribeToTopic", {"topic": "denied"})
    assert (refused.type, refused.flags) == (ipc_messages.ERROR, ipc_messages.END_OF_STREAM)
    body = json.loads(refused.payload)
    assert body["message"] == body["_message"]
    assert body["_errorCode"] == "UnauthorizedError"
    assert body["_service"]


def test_an_error_of_lite_has_neither_message_nor_service(serve: Serve) -> None:
    with connected(serve(LITE)) as client:
        refused = answer(client, 1, "SubscribeToTopic", {"topic": "denied"})
    assert set(json.loads(refused.payload)) == {"_message", "_errorCode"}


def test_a_bad_token_gets_an_answer_that_accepts_nothing_and_then_the_end(serve: Serve) -> None:
    with client_of(serve(CLASSIC), token="unknown") as client:
        refused = client.receive()
        end = client.receive()
    assert refused is not None
    assert (refused.type, refused.flags) == (ipc_messages.CONNECT_ACK, 0)
    assert end is None


def test_a_bad_token_gets_nothing_but_the_end_from_lite(serve: Serve) -> None:
    with client_of(serve(LITE), token="unknown") as client:
        assert client.receive() is None


def test_a_ping_is_answered(serve: Serve) -> None:
    with connected(serve(CLASSIC)) as client:
        client.send(ipc_messages.PING, 0, 0, b"x")
        pong = client.receive()
    assert pong is not None
    assert (pong.type, pong.payload) == (ipc_messages.PONG, b"x")


def test_headers_of_other_types_are_passed_over(serve: Serve) -> None:
    with connected(serve(CLASSIC)) as client:
        operation = text_header("operation", ipc_messages.NAMESPACE + "GetConfiguration")
        other = EventStreamHeader("odd", TYPE_TRUE, True)
        client.send(0, 0, 1, b'{"keyPath": ["text"]}', operation, other)
        response = client.receive()
    assert response is not None
    assert json.loads(response.payload)["value"] == {"text": "hello"}


def test_scalars_of_the_recipe_keep_their_types(serve: Serve) -> None:
    with connected(serve(CLASSIC)) as client:
        response = answer(client, 1, "GetConfiguration", {"keyPath": ["number"]})
    assert json.loads(response.payload)["value"] == {"number": 0.5}


def test_a_packet_of_100_kb_arrives(serve: Serve) -> None:
    message = {"binaryMessage": {"message": "A" * 100_000}}
    body = {"topic": "conf/a", "publishMessage": message}
    with connected(serve(CLASSIC)) as client:
        answer(client, 1, "SubscribeToTopic", {"topic": "conf/a"})
        client.request(2, "PublishToTopic", body)
        received = {frame.stream: frame for frame in (client.receive(), client.receive()) if frame}
    assert json.loads(received[1].payload)["binaryMessage"]["message"] == "A" * 100_000


def test_a_component_that_wants_others_only_does_not_hear_itself(serve: Serve) -> None:
    message = {"topic": "conf/a", "publishMessage": {"jsonMessage": {"message": {}}}}
    subscribe = {"topic": "conf/a", "receiveMode": "RECEIVE_MESSAGES_FROM_OTHERS"}
    with connected(serve(CLASSIC)) as client:
        answer(client, 1, "SubscribeToTopic", subscribe)
        first = answer(client, 2, "PublishToTopic", message)
        second = answer(client, 3, "GetConfiguration", {"keyPath": ["text"]})
    assert [first.stream, second.stream] == [2, 3]
