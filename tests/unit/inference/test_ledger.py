"""What the ledger keeps of parts whose records are safe."""

import sqlite3
from contextlib import closing

import msgspec

from sightline.messages import Part, PartSettled
from sightline.runtime import NewConfiguration
from sightline.topics import PART_SETTLED, PARTS_ANNOUNCED
from tests.unit.inference.conftest import EPOCH, Bench
from tests.unit.inference.test_verdicts import announcement


def kept(bench: Bench) -> int:
    """How many verdicts lie on disk."""
    with closing(sqlite3.connect(bench.folder / "ledger.sqlite")) as connection:
        (count,) = connection.execute("SELECT COUNT(*) FROM verdicts").fetchone()
    return int(count)


def test_another_number_of_parts_to_keep_is_in_force_without_a_restart(running: Bench) -> None:
    running.judge(1)
    running.give(PARTS_ANNOUNCED, announcement(running, 2500, in_time_ms=-1))
    assert kept(running) == 2500
    fewer = msgspec.structs.replace(running.configuration, ledger_keeps_parts=1000)
    assert running.inspector is not None
    running.inspector.handle(NewConfiguration(fewer))
    up_to = Part(EPOCH, 2500)
    running.give(PART_SETTLED, PartSettled(station_id=running.station, up_to=up_to))
    assert 1000 <= kept(running) <= 1001
