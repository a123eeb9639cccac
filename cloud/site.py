"""A site: broker, store, counts and page, wired together."""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from starlette.applications import Starlette

from cloud.live.camera_views import CameraViews
from cloud.live.site_summary import SiteSummary
from cloud.message_intake import MessageIntake
from cloud.store.sqlite_store import DamagedStoreError, SqliteStore
from cloud.web.app import BrokerLink, PageSources, build_app
from cloud.wire.commands import CommandSender
from cloud.wire.mqtt_subscriber import BrokerAddress, MqttSubscriber
from cloud.wire.receipts import ReceiptPublisher
from cloud.wire.site_limits import SiteLimits
from cloud.wire.topic_routes import list_topic_filters

log = logging.getLogger(__name__)
NOTICES_SHOWN = 10
CLOSE_TIMEOUT_S = 0.6
DAY_NS = 86_400_000_000_000


@dataclass(frozen=True)
class SiteOptions:
    """The options of a site."""

    broker: BrokerAddress
    database: Path
    evidence: Path
    keep_days: float | None = None


class SiteNotices:
    """Notices about the site itself, the oldest first."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def add(self, text: str) -> None:
        """Show a sentence as long as the site runs."""
        log.error("notice", extra={"text": text})
        self._texts.append(text)

    def list_texts(self, *more: str) -> list[str]:
        """The notices so far, and the current faults."""
        return [*self._texts[-NOTICES_SHOWN:], *filter(None, more)]


def restore_summary(store: SqliteStore, limits: SiteLimits) -> SiteSummary:
    """Build the summary from a store's history; a damaged database is set aside and replaced."""
    while True:
        summary = SiteSummary()
        try:
            history = store.load_history()
            limits.restore(
                history.counts,
                [(stored.thing, stored.health.component) for stored in history.health],
                [(stored.thing, stored.state.equipment_id) for stored in history.states],
            )
            summary.restore(history)
        except DamagedStoreError:
            store.start_new_file()
        else:
            return summary


@contextlib.contextmanager
def open_site(options: SiteOptions) -> Iterator[Starlette]:
    """Run a site and yield the page's application; FatalError if the database is unusable."""
    keep_ns = None if options.keep_days is None else round(options.keep_days * DAY_NS)
    notices, limits = SiteNotices(), SiteLimits()
    store = SqliteStore(options.database, keep_ns, notices.add)
    summary = restore_summary(store, limits)
    views = CameraViews()
    # the two need each other: nothing is delivered or acknowledged before `start`
    receipts = ReceiptPublisher(lambda topic, payload: subscriber.begin_publish(topic, payload))
    intake = MessageIntake(
        store, summary, views=views, publish_receipts=receipts.publish, limits=limits
    )
    # two cloud sides at one broker are two clients: of one name they would evict each other
    broker = replace(options.broker, client_id=f"{options.broker.client_id}-{store.site_id()}")
    subscriber = MqttSubscriber(broker, list_topic_filters(), intake.deliver)
    intake.start()
    subscriber.start()
    try:
        yield build_app(
            PageSources(
                store=store,
                history=store,
                summary=summary,
                evidence=options.evidence,
                views=views,
                command_sender=CommandSender(subscriber.publish),
                link=lambda: BrokerLink(
                    subscriber.connected, subscriber.is_receiving, subscriber.last_received_utc_ns
                ),
                fault=lambda: intake.fault,
                notices=lambda: notices.list_texts(subscriber.fault, limits.fault),
            )
        )
    finally:
        subscriber.close(CLOSE_TIMEOUT_S)
        intake.close(CLOSE_TIMEOUT_S)
        store.close()
