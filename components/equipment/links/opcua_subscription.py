"""One subscription with an OPC UA server, and how fast the server says that it tells of changes."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from asyncua import Client, ua
from asyncua.common.subscription import Subscription

from equipment.links.opcua_requests import OpcuaRequests

log = logging.getLogger(__name__)
QUEUE_SIZE = 10_000  # changes that the server keeps for one publishing interval
KEEP_ALIVE_S = 3.0
LIFETIME_S = 30.0
MAX_INTERVAL_MS = 50.0  # what capture allows a trigger to be late, if it is not told otherwise
SLOW_SUBSCRIPTION = "plc-tells-slowly"
QUEUE_OF_ONE = (
    "the PLC's server keeps one change only: of parts counted between two reports all but the last "
    "are missed"
)


@dataclass(frozen=True)
class SubscriptionIntervals:
    """How often the server looks and tells and how much it keeps, as asked and as it revised that."""

    requested_ms: float
    publishing_ms: float
    sampling_ms: float
    queue_size: int = QUEUE_SIZE

    @property
    def are_slow(self) -> bool:
        """Whether a part may be told too late to be photographed."""
        return max(self.publishing_ms, self.sampling_ms) > max(MAX_INTERVAL_MS, self.requested_ms)

    @property
    def samples_slowly(self) -> bool:
        """Whether a source time may be that of a sample, and not of the change."""
        return self.sampling_ms > MAX_INTERVAL_MS

    def describe(self) -> str:
        """What the server gave in place of what was asked."""
        changes = "one change" if self.queue_size == 1 else f"{self.queue_size:,} changes"
        return (
            f"reports changes every {self.publishing_ms:g} ms, samples every {self.sampling_ms:g} ms, and "
            f"keeps {changes} meanwhile (requested: {self.requested_ms:g} ms, publishingIntervalMs, and "
            f"{QUEUE_SIZE:,} changes; allowed: {max(MAX_INTERVAL_MS, self.requested_ms):g} ms)"
        )


class OpcuaSubscription:
    """The subscription while the session lives."""

    def __init__(
        self, client: Client, requests: OpcuaRequests, handler: Any, interval_ms: float
    ) -> None:
        self._session = client.uaclient.session
        self._requests = requests
        self._requested_ms = interval_ms
        self._recording_session = _RecordingSession(self._session)
        parameters = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=interval_ms,
            RequestedLifetimeCount=round(LIFETIME_S * 1000 / interval_ms),
            RequestedMaxKeepAliveCount=round(KEEP_ALIVE_S * 1000 / interval_ms),
            MaxNotificationsPerPublish=0,
            PublishingEnabled=True,
        )
        self._subscription = Subscription(self._recording_session, parameters, handler)

    async def open(
        self, nodes: Sequence[Any], counter: int
    ) -> tuple[SubscriptionIntervals, list[Any]]:
        """Subscribe to nodes; the terms of the one that counts, and a handle or a refusal for each."""
        created = await self._subscription.init()
        publishing_ms = float(created.RevisedPublishingInterval or self._requested_ms)
        if publishing_ms != self._requested_ms:
            await self._keep_alive_by_time(publishing_ms)
        results = await self._requests.monitor(nodes, self._monitor)
        revised = self._recording_session.results[counter]
        terms = SubscriptionIntervals(
            self._requested_ms,
            publishing_ms,
            max(float(revised.RevisedSamplingInterval), 0.0),
            max(int(revised.RevisedQueueSize), 1),
        )
        return terms, results

    async def _monitor(self, nodes: Sequence[Any]) -> list[Any]:
        return list(
            await self._subscription.subscribe_data_change(
                nodes, queuesize=QUEUE_SIZE, sampling_interval=self._requested_ms
            )
        )

    async def close(self) -> None:
        """Leave it: what it would tell comes in another way."""
        try:
            await self._subscription.delete()
        except ua.UaError as error:
            log.warning("the subscription stays", extra={"error": str(error)})

    async def _keep_alive_by_time(self, publishing_ms: float) -> None:
        """Keep-alive and lifetime are counted in publishing intervals, which are others now."""
        parameters = ua.ModifySubscriptionParameters(
            SubscriptionId=self._subscription.subscription_id,
            RequestedPublishingInterval=publishing_ms,
            RequestedLifetimeCount=max(3, round(LIFETIME_S * 1000 / publishing_ms)),
            RequestedMaxKeepAliveCount=max(1, round(KEEP_ALIVE_S * 1000 / publishing_ms)),
            MaxNotificationsPerPublish=0,
        )
        try:
            await self._session.update_subscription(parameters)
        except ua.UaError as error:  # it lives longer than need be, or tells of its end later
            log.warning("the subscription's keep-alive stays", extra={"error": str(error)})


class _RecordingSession:
    """The client's session; what the server answered of its monitored items is kept."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.results: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    async def create_monitored_items(self, parameters: Any) -> list[Any]:
        """Ask the server, and note what it revised."""
        answers = list(await self._session.create_monitored_items(parameters))
        self.results += answers
        return answers
