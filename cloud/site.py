"""A site: broker, store, counts and page, wired together."""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from starlette.applications import Starlette

from cloud.bench import CameraViews
from cloud.intake import Intake
from cloud.limits import Limits
from cloud.orders import Orders
from cloud.receipts import Receipts
from cloud.routes import subscriptions
from cloud.store.sqlite import DamagedStoreError, SqliteStore
from cloud.subscriber import Broker, Subscriber
from cloud.summary import Summary
from cloud.web.app import Link, Sources, build_app

log = logging.getLogger(__name__)
NOTICES_SHOWN = 10
CLOSE_TIMEOUT_S = 0.6
DAY_NS = 86_400_000_000_000


@dataclass(frozen=True)
class SiteOptions:
    """What a site is given."""

    broker: Broker
    database: Path
    evidence: Path
    keep_days: float | None = None


class Notices:
    """What a person must know of the site itself, the first that was told first."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def add(self, text: str) -> None:
        """Keep a sentence as long as the site runs."""
        log.error("notice", extra={"text": text})
        self._texts.append(text)

    def all(self, *more: str) -> list[str]:
        """What was told, and what holds now."""
        return [*self._texts[-NOTICES_SHOWN:], *filter(None, more)]


def restored(store: SqliteStore, limits: Limits) -> Summary:
    """The figures that a store goes on from; a damaged one is set aside, and a new one begins."""
    while True:
        summary = Summary()
        try:
            history = store.history()
            limits.restore(
                history.counts,
                [(stored.thing, stored.health.component) for stored in history.health],
                [(stored.thing, stored.state.equipment_id) for stored in history.states],
            )
            summary.restore(history)
        except DamagedStoreError:
            store.begin_anew()
        else:
            return summary


@contextlib.contextmanager
def open_site(options: SiteOptions) -> Iterator[Starlette]:
    """The page's application, while the site receives; FatalError if the database is unusable."""
    keep_ns = None if options.keep_days is None else round(options.keep_days * DAY_NS)
    notices, limits = Notices(), Limits()
    store = SqliteStore(options.database, keep_ns, notices.add)
    summary = restored(store, limits)
    views = CameraViews()
    # the two need each other: nothing is delivered, and so nothing told, before `start`
    receipts = Receipts(lambda topic, payload: subscriber.begin_publish(topic, payload))
    intake = Intake(store, summary, views=views, tell=receipts.tell, limits=limits)
    # two cloud sides at one broker are two clients: of one name they would evict each other
    broker = replace(options.broker, client_id=f"{options.broker.client_id}-{store.site_id()}")
    subscriber = Subscriber(broker, subscriptions(), intake.deliver)
    intake.start()
    subscriber.start()
    try:
        yield build_app(
            Sources(
                store=store,
                past=store,
                summary=summary,
                evidence=options.evidence,
                views=views,
                orders=Orders(subscriber.publish),
                link=lambda: Link(subscriber.connected, subscriber.hears, subscriber.heard_utc_ns),
                fault=lambda: intake.fault,
                notices=lambda: notices.all(subscriber.fault, limits.fault),
            )
        )
    finally:
        subscriber.close(CLOSE_TIMEOUT_S)
        intake.close(CLOSE_TIMEOUT_S)
        store.close()
