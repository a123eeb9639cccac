"""A site: broker, store, counts and page, wired together."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette

from cloud.bench import CameraViews
from cloud.intake import Intake
from cloud.orders import Orders
from cloud.receipts import Receipts
from cloud.routes import subscriptions
from cloud.store.sqlite import SqliteStore
from cloud.subscriber import Broker, Subscriber
from cloud.summary import Summary
from cloud.web.app import Sources, build_app

CLOSE_TIMEOUT_S = 0.6
DAY_NS = 86_400_000_000_000


@dataclass(frozen=True)
class SiteOptions:
    """What a site is given."""

    broker: Broker
    database: Path
    evidence: Path
    keep_days: float | None = None


@contextlib.contextmanager
def open_site(options: SiteOptions) -> Iterator[Starlette]:
    """The page's application, while the site receives; FatalError if the database is unusable."""
    keep_ns = None if options.keep_days is None else round(options.keep_days * DAY_NS)
    store = SqliteStore(options.database, keep_ns)
    summary = Summary()
    summary.restore(store.history())
    views = CameraViews()
    # the two need each other: nothing is delivered, and so nothing told, before `start`
    receipts = Receipts(lambda topic, payload: subscriber.begin_publish(topic, payload))
    intake = Intake(store, summary, views=views, tell_stored=receipts.tell)
    subscriber = Subscriber(options.broker, subscriptions(), intake.deliver)
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
                connected=lambda: subscriber.connected,
                fault=lambda: intake.fault,
            )
        )
    finally:
        subscriber.close(CLOSE_TIMEOUT_S)
        intake.close(CLOSE_TIMEOUT_S)
        store.close()
