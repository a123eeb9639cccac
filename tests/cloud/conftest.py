"""A broker, a site and a sender for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud.running import Broker, Sender, Site, ending


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path)
    with ending(broker):
        yield broker


@pytest.fixture
def site(tmp_path: Path, broker: Broker) -> Iterator[Site]:
    site = Site(tmp_path, broker.port)
    with ending(site):
        site.wait_subscribed()
        yield site


@pytest.fixture
def sender(broker: Broker) -> Iterator[Sender]:
    sender = Sender(broker.port)
    yield sender
    sender.close()
