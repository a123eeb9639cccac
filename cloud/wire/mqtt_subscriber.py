"""The MQTT subscriber: a persistent session with automatic reconnection.

It sends a beat to itself. If the beat does not arrive, nothing else does, whatever the connection says:
another client may have taken over the session, or the broker lost the subscriptions. Then it reconnects.
"""

import concurrent.futures
import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from awscrt import io, mqtt
from awscrt.exceptions import AwsCrtError
from msgspec.structs import replace

from cloud.wire.broker_login import BrokerLogin
from cloud.wire.topic_routes import CLIENT_ID, build_beat_topic
from sightline.errors import TransportError
from sightline.messaging.codec import encode
from sightline.messaging.messages import Beat
from sightline.messaging.topics import CLOUD

log = logging.getLogger(__name__)
ANSWER_TIMEOUT_S = 5.0
PUBLISH_TIMEOUT_S = 3.0
RECONNECT_MIN_S = 1
RECONNECT_MAX_S = 2
KEEP_ALIVE_S = 30
PING_TIMEOUT_MS = 5000
CONNECT_TIMEOUT_MS = 3000
BEAT_INTERVAL_S = 2.0
MAX_BEAT_SILENCE_S = 8.0
CLIENT_ERRORS = (
    AwsCrtError,
    RuntimeError,
    concurrent.futures.TimeoutError,
    concurrent.futures.CancelledError,
    mqtt.SubscribeError,
)
ENDED = "No messages are received: the thread that connects has ended. Restart the cloud side."
DeliverMessage = Callable[[str, bytes], None]


@dataclass(frozen=True)
class BrokerAddress:
    """The broker's address, our login, and the client id under which it keeps our session."""

    host: str
    port: int
    client_id: str = CLIENT_ID
    login: BrokerLogin | None = None


@dataclass(frozen=True)
class BeatSchedule:
    """How often a beat is sent, and how long none may arrive."""

    beat_interval_s: float = BEAT_INTERVAL_S
    max_silence_s: float = MAX_BEAT_SILENCE_S


class MqttSubscriber:
    """Subscribes at QoS 1 after each connection; `deliver` runs on the client's thread."""

    def __init__(
        self,
        broker: BrokerAddress,
        topics: Sequence[str],
        deliver: DeliverMessage,
        schedule: BeatSchedule = BeatSchedule(),
    ) -> None:
        self._broker = broker
        self._beat_topic = build_beat_topic(broker.client_id)
        self._beat = Beat(
            station_id=broker.client_id,
            component=CLOUD,
            sequence=0,
            incarnation=secrets.token_hex(8),
        )
        self._topics = (self._beat_topic, *topics)
        self._unsubscribed: list[str] = []
        self._deliver = deliver
        self._delivering = False
        self._schedule = schedule
        self._wake = threading.Event()
        self._reconnected = threading.Event()
        self._closing = threading.Event()
        self._connected = threading.Event()
        self._last_received_s = time.monotonic()
        self._beat_unheard_since_s: float | None = (
            None  # sent at this time, and no message arrived since
        )
        self._last_received_utc_ns: int | None = None
        self._fault = ""
        self._generation = 0
        self._connection = self._build_connection()
        self._thread = threading.Thread(target=self._run, name="subscriber", daemon=True)

    @property
    def connected(self) -> bool:
        """Whether the broker is connected."""
        return self._connected.is_set()

    @property
    def is_receiving(self) -> bool:
        """Whether the broker is connected and messages arrive."""
        return self.connected and not self._is_silent_since(self._last_received_s)

    @property
    def last_received_utc_ns(self) -> int | None:
        """When the last message arrived, own beats included (None: never)."""
        return self._last_received_utc_ns

    @property
    def fault(self) -> str:
        """Why messages do not arrive; empty while all is well."""
        begun, closing = self._thread.ident is not None, self._closing.is_set()
        return ENDED if begun and not closing and not self._thread.is_alive() else self._fault

    def start(self) -> None:
        """Start to connect; returns at once, the broker may be unreachable."""
        self._thread.start()

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 1; TransportError if it was not sent, NotConfirmedError if not acknowledged."""
        sending = self.begin_publish(topic, payload)
        try:
            sending.result(PUBLISH_TIMEOUT_S)
        except CLIENT_ERRORS as error:
            raise NotConfirmedError(f"The broker did not confirm the message: {error}") from error

    def begin_publish(self, topic: str, payload: bytes) -> "concurrent.futures.Future[object]":
        """Publish without waiting for the acknowledgement; TransportError if not connected."""
        if not self.connected:
            raise TransportError("Cannot send: not connected to the broker")
        try:
            sending: concurrent.futures.Future[object]
            sending, _ = self._connection.publish(topic, payload, mqtt.QoS.AT_LEAST_ONCE)
        except CLIENT_ERRORS as error:
            raise TransportError(f"Cannot send: {error}") from error
        return sending

    def close(self, timeout_s: float) -> None:
        """Disconnect; the broker keeps the session."""
        self._closing.set()
        self._wake.set()
        self._disconnect(timeout_s)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        connected_once = False
        while not self._closing.is_set():
            try:
                if not connected_once:
                    self._connect_first()
                    connected_once = True
                self._run_once()
                self._wake.wait(
                    RECONNECT_MIN_S if self._unsubscribed else self._schedule.beat_interval_s
                )
                self._wake.clear()
            except Exception as error:
                self._fault = f"{type(error).__name__}: {error}"
                log.exception("unexpected error in the subscriber; continuing")
                self._closing.wait(RECONNECT_MIN_S)

    def _run_once(self) -> None:
        if self._reconnected.is_set():
            self._reconnected.clear()
            self._unsubscribed = list(self._topics)
        if self._unsubscribed and self.connected:
            self._subscribe_missing_topics()
        unanswered_s = self._beat_unheard_since_s
        if self.connected and unanswered_s is not None and self._is_silent_since(unanswered_s):
            log.error("connected, but no message arrives, not even the own beat; reconnecting")
            self._reconnect()
        elif self.connected:
            self._send_beat()

    def _send_beat(self) -> None:
        try:
            self._beat = replace(self._beat, sequence=self._beat.sequence + 1)
            self.begin_publish(self._beat_topic, encode(self._beat))
        except TransportError as error:
            log.info("beat not sent", extra={"error": str(error)})
            return
        if self._beat_unheard_since_s is None:
            self._beat_unheard_since_s = time.monotonic()

    def _is_silent_since(self, then_s: float) -> bool:
        """Whether nothing arrived since; not while a slow store holds up delivery."""
        ago_s = time.monotonic() - then_s
        return not self._delivering and ago_s > self._schedule.max_silence_s

    def _reconnect(self) -> None:
        self._disconnect(ANSWER_TIMEOUT_S)
        self._connected.clear()
        self._connection = self._build_connection()
        self._connect_first()

    def _disconnect(self, timeout_s: float) -> None:
        try:
            self._connection.disconnect().result(timeout_s)
        except CLIENT_ERRORS as error:
            log.info("disconnected without confirmation", extra={"error": str(error)})

    def _connect_first(self) -> None:
        """Retry the first connection; after it the client reconnects by itself."""
        logged = False
        while not (self._closing.is_set() or self._connected.is_set()):
            try:
                self._connection.connect().result(ANSWER_TIMEOUT_S)
            except CLIENT_ERRORS as error:
                if not logged:
                    log.warning(
                        "cannot connect to the broker; retrying", extra={"error": str(error)}
                    )
                logged = True
                self._closing.wait(RECONNECT_MIN_S)
            else:
                return

    def _subscribe_missing_topics(self) -> None:
        """Subscribe to the missing topics; refused ones are retried later."""
        refused = {}
        for topic in list(self._unsubscribed):
            try:
                future, _ = self._connection.subscribe(topic, mqtt.QoS.AT_LEAST_ONCE)
                future.result(ANSWER_TIMEOUT_S)
            except CLIENT_ERRORS as error:
                refused[topic] = str(error)
            else:
                self._unsubscribed.remove(topic)
        if not refused:
            self._fault = ""
            log.info("subscribed", extra={"topics": self._topics})
            return
        if self.connected:
            self._fault = (
                f"The broker refused the subscription to {', '.join(refused)}: messages of stations "
                "on these topics are not received. Retrying."
            )
        log.warning("subscription refused; retrying", extra={"refused": refused})

    def _build_connection(self) -> mqtt.Connection:
        self._generation += 1
        options = io.SocketOptions()
        options.connect_timeout_ms = CONNECT_TIMEOUT_MS
        connection = mqtt.Connection(
            mqtt.Client(io.ClientBootstrap.get_or_create_static_default()),
            host_name=self._broker.host,
            port=self._broker.port,
            client_id=self._broker.client_id,
            username=None if self._broker.login is None else self._broker.login.user,
            password=None if self._broker.login is None else self._broker.login.password,
            disable_metrics=True,  # they would become part of the user name
            clean_session=False,
            reconnect_min_timeout_secs=RECONNECT_MIN_S,
            reconnect_max_timeout_secs=RECONNECT_MAX_S,
            keep_alive_secs=KEEP_ALIVE_S,
            ping_timeout_ms=PING_TIMEOUT_MS,
            socket_options=options,
            on_connection_success=partial(self._on_success, self._generation),
            on_connection_interrupted=partial(self._on_interrupted, self._generation),
        )
        connection.on_message(self._on_message)
        return connection

    def _on_success(self, generation: int, *_: object, **__: object) -> None:
        if generation != self._generation:
            return
        self._beat_unheard_since_s = None
        self._reconnected.set()
        self._connected.set()
        self._wake.set()
        log.info("connected to the broker")

    def _on_interrupted(
        self, generation: int, *_: object, error: object = None, **__: object
    ) -> None:
        if generation != self._generation:
            return
        self._connected.clear()
        log.warning("connection to the broker lost; reconnecting", extra={"error": str(error)})

    def _on_message(self, topic: str, payload: bytes, **_: object) -> None:
        if topic == self._beat_topic:
            if (
                self._beat.incarnation.encode() in payload
            ):  # not of an earlier process with this client id
                self._note_received()
            return
        self._note_received()
        self._delivering = True
        try:
            self._deliver(topic, bytes(payload))
        finally:
            self._note_received()
            self._delivering = False

    def _note_received(self) -> None:
        self._beat_unheard_since_s = None
        self._last_received_s = time.monotonic()
        self._last_received_utc_ns = time.time_ns()


class NotConfirmedError(TransportError):
    """Sent, but not acknowledged by the broker in time; it may still arrive."""
