"""The embedded broker: what it has acknowledged reaches its subscriber, also when it is ended."""

import asyncio
import signal
from pathlib import Path

import pytest

from cloud.wire.mqtt_subscriber import BrokerAddress, MqttSubscriber
from hil.nucleus.cloud_bridge.iot_core_connection import IotCoreConnection
from sightline.errors import CloudUnreachableError
from tests.unit.nucleus.running_nucleus import broker

TIMEOUT_S = 30.0
TOPIC = "sightline/test-thing/records"
FILTER = "sightline/+/records"
BEFORE_THE_END = 100


class Conversation:
    """Numbered messages from a publisher to a subscriber, as fast as they are acknowledged."""

    def __init__(self, port: int) -> None:
        self.acknowledged: list[int] = []
        self.received: list[int] = []
        self.publisher = IotCoreConnection("127.0.0.1", port, "publisher")
        self.subscriber = MqttSubscriber(
            BrokerAddress("127.0.0.1", port),
            [FILTER],
            lambda _, payload: self.received.append(int(payload[:8])),
        )

    async def begin(self) -> None:
        """Connect both, and wait until the subscriber hears."""
        self.publisher.start()
        self.subscriber.start()
        while not self.received:
            if self.publisher.connected and self.subscriber.connected:
                await self.publisher.publish(TOPIC, b"%08d" % 0, 1)
            await asyncio.sleep(0.01)

    async def publish_until_the_broker_goes(self) -> None:
        """Publish; the numbers that were acknowledged are kept."""
        number = 0
        while True:
            number += 1
            try:
                await self.publisher.publish(TOPIC, b"%08d" % number + b"x" * 1500, 1)
            except CloudUnreachableError:
                return
            self.acknowledged.append(number)

    async def end(self) -> None:
        """Leave."""
        await self.publisher.stop()
        await asyncio.to_thread(self.subscriber.close, 2.0)


@pytest.mark.parametrize("attempt", range(3))
def test_what_was_acknowledged_is_delivered_before_the_broker_ends(
    tmp_path: Path, attempt: int
) -> None:
    async def scenario() -> None:
        with broker(tmp_path) as (process, port):
            conversation = Conversation(port)
            await conversation.begin()
            publishing = asyncio.ensure_future(conversation.publish_until_the_broker_goes())
            while len(conversation.acknowledged) < BEFORE_THE_END + attempt:
                await asyncio.sleep(0.001)
            process.send_signal(signal.SIGTERM)
            await publishing
            assert await asyncio.to_thread(process.wait, TIMEOUT_S) == 0
            await conversation.end()
        assert len(conversation.acknowledged) >= BEFORE_THE_END
        assert set(conversation.acknowledged) <= set(conversation.received)

    asyncio.run(asyncio.wait_for(scenario(), TIMEOUT_S))


def test_what_comes_while_the_cloud_side_is_away_waits_for_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        with broker(tmp_path) as (_, port):
            first = Conversation(port)
            first.publisher.start()
            while not first.publisher.connected:
                await asyncio.sleep(0.01)
            await first.publisher.publish(TOPIC, b"%08d" % 7, 1)
            first.subscriber.start()
            while 7 not in first.received:
                await asyncio.sleep(0.01)
            await first.end()

    asyncio.run(asyncio.wait_for(scenario(), TIMEOUT_S))
