"""The MQTT subscriber: a session that outlives the connection, which comes back by itself."""

import concurrent.futures
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from awscrt import io, mqtt
from awscrt.exceptions import AwsCrtError

from cloud.routes import CLIENT_ID
from sightline.errors import TransportError

log = logging.getLogger(__name__)
ANSWER_TIMEOUT_S = 5.0
RECONNECT_MIN_S = 1
RECONNECT_MAX_S = 2
KEEP_ALIVE_S = 30
PING_TIMEOUT_MS = 5000
CONNECT_TIMEOUT_MS = 3000
CLIENT_ERRORS = (AwsCrtError, RuntimeError, concurrent.futures.TimeoutError)
Deliver = Callable[[str, bytes], None]


@dataclass(frozen=True)
class Broker:
    """Where the broker listens, and the name under which it keeps our session."""

    host: str
    port: int
    client_id: str = CLIENT_ID


class Subscriber:
    """Subscribes at QoS 1 whenever the connection is made anew; `deliver` runs on the client's thread."""

    def __init__(self, broker: Broker, topics: Sequence[str], deliver: Deliver) -> None:
        self._topics = tuple(topics)
        self._deliver = deliver
        self._made_anew = threading.Event()
        self._closing = threading.Event()
        self._connected = threading.Event()
        self._connection = self._new_connection(broker)
        self._connection.on_message(self._on_message)
        self._thread = threading.Thread(target=self._run, name="subscriber", daemon=True)

    @property
    def connected(self) -> bool:
        """Whether the broker is there."""
        return self._connected.is_set()

    def start(self) -> None:
        """Begin to connect; returns at once, the broker may be away."""
        self._thread.start()

    def publish(self, topic: str, payload: bytes) -> None:
        """Send at QoS 1; TransportError if the broker does not take it in time."""
        sending = self.begin_publish(topic, payload)
        try:
            sending.result(ANSWER_TIMEOUT_S)
        except CLIENT_ERRORS as error:
            raise TransportError(f"the broker did not take it: {error}") from error

    def begin_publish(self, topic: str, payload: bytes) -> "concurrent.futures.Future[object]":
        """The same without waiting for the broker; TransportError if it is away."""
        if not self.connected:
            raise TransportError("the broker is away")
        try:
            sending: concurrent.futures.Future[object]
            sending, _ = self._connection.publish(topic, payload, mqtt.QoS.AT_LEAST_ONCE)
        except CLIENT_ERRORS as error:
            raise TransportError(f"nothing can be sent: {error}") from error
        return sending

    def close(self, timeout_s: float) -> None:
        """Leave the broker, which keeps the session."""
        self._closing.set()
        self._made_anew.set()
        try:
            self._connection.disconnect().result(timeout_s)
        except CLIENT_ERRORS as error:
            log.info("left without farewell", extra={"error": str(error)})
        self._thread.join(timeout_s)

    def _run(self) -> None:
        self._connect_first()
        while not self._closing.is_set():
            self._made_anew.wait()
            self._made_anew.clear()
            self._subscribe()

    def _connect_first(self) -> None:
        """The client reconnects by itself only after its first connection; until then, this does."""
        told = False
        while not (self._closing.is_set() or self._connected.is_set()):
            try:
                self._connection.connect().result(ANSWER_TIMEOUT_S)
            except CLIENT_ERRORS as error:
                if not told:
                    log.warning("the broker is away; trying on", extra={"error": str(error)})
                told = True
                self._closing.wait(RECONNECT_MIN_S)
            else:
                return

    def _subscribe(self) -> None:
        while not self._closing.is_set():
            try:
                for topic in self._topics:
                    future, _ = self._connection.subscribe(topic, mqtt.QoS.AT_LEAST_ONCE)
                    future.result(ANSWER_TIMEOUT_S)
            except CLIENT_ERRORS as error:
                log.warning("not subscribed; trying again", extra={"error": str(error)})
                self._closing.wait(RECONNECT_MIN_S)
            else:
                log.info("subscribed", extra={"topics": self._topics})
                return

    def _new_connection(self, broker: Broker) -> mqtt.Connection:
        options = io.SocketOptions()
        options.connect_timeout_ms = CONNECT_TIMEOUT_MS
        return mqtt.Connection(
            mqtt.Client(io.ClientBootstrap.get_or_create_static_default()),
            host_name=broker.host,
            port=broker.port,
            client_id=broker.client_id,
            clean_session=False,
            reconnect_min_timeout_secs=RECONNECT_MIN_S,
            reconnect_max_timeout_secs=RECONNECT_MAX_S,
            keep_alive_secs=KEEP_ALIVE_S,
            ping_timeout_ms=PING_TIMEOUT_MS,
            socket_options=options,
            on_connection_success=self._on_success,
            on_connection_interrupted=self._on_interrupted,
        )

    def _on_success(self, **_: object) -> None:
        self._connected.set()
        self._made_anew.set()
        log.info("connected to the broker")

    def _on_interrupted(self, error: object = None, **_: object) -> None:
        self._connected.clear()
        log.warning("lost the broker; the client reconnects", extra={"error": str(error)})

    def _on_message(self, topic: str, payload: bytes, **_: object) -> None:
        self._deliver(topic, bytes(payload))
