"""A broker, a site and a sender for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud.site_processes import BrokerProcess, RecordPublisher, SiteProcess, ending


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    broker = BrokerProcess(tmp_path)
    with ending(broker):
        yield broker


@pytest.fixture
def site(tmp_path: Path, broker: BrokerProcess) -> Iterator[SiteProcess]:
    site = SiteProcess(tmp_path, broker.port)
    with ending(site):
        site.wait_subscribed()
        yield site


@pytest.fixture
def sender(broker: BrokerProcess) -> Iterator[RecordPublisher]:
    sender = RecordPublisher(broker.port)
    yield sender
    sender.close()
