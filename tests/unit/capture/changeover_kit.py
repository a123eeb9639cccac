"""A line with products in its store, and the commands that change it over."""

import json
from pathlib import Path
from typing import Any

from sightline.messaging.messages import (
    CommandAccepted,
    CommandArgument,
    CommandCarriedOut,
    CommandKind,
)
from sightline.messaging.topics import COMMAND_ACCEPTED, COMMAND_CARRIED_OUT
from sightline.storage.product_store import PRODUCT_FILE, store_product
from tests.unit.capture.capture_kit import CaptureUnderTest

MINUTE_NS = 60_000_000_000
LATE = "c-late"
JUDGED_BY = {"models": ["surface"], "defects": {"dent": {}}, "productLabels": ["lid"]}


def deploy(folder: Path, name: str, version: str = "1", **more: Any) -> None:
    """A product's component puts its recipe into the station's store."""
    files = folder / f"{name}-{version}"
    files.mkdir(exist_ok=True)
    (files / PRODUCT_FILE).write_text(
        json.dumps({"name": name, "version": version, **JUDGED_BY, **more})
    )
    store_product(files / PRODUCT_FILE, folder / "station" / "products")


def command(
    station: CaptureUnderTest, command_id: str, kind: CommandKind, **more: CommandArgument
) -> CommandCarriedOut:
    """What capture answers to a command; one named late has its end behind it."""
    now = station.clock.utc_ns()
    lasts_ns = -1_500_000_000 if command_id == LATE else MINUTE_NS
    accepted = CommandAccepted(
        station_id=station.name,
        command_id=command_id,
        kind=kind,
        issued_by="operator",
        sequence=1,
        accepted_utc_ns=now,
        expires_utc_ns=now + lasts_ns,
        arguments=more,
    )
    station.deliver(COMMAND_ACCEPTED, accepted)
    answer = station.exchange.messages_on(COMMAND_CARRIED_OUT)[-1]
    assert isinstance(answer, CommandCarriedOut)
    return answer


def stamps(station: CaptureUnderTest) -> list[tuple[str, str, str]]:
    """Product, version and lot of each part."""
    return [(part.product, part.product_version, part.lot) for part in station.captured]
