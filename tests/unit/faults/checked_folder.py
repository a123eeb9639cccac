"""A station's folder as a run leaves it, written by hand: what the checker is to find is known."""

import json
import sqlite3
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from hil.faults import checker

Json = dict[str, Any]
BEGAN_NS = 1_800_000_000_000_000_000
EPOCH = 1_800_000_000
SECOND_NS = 1_000_000_000


class CheckedStationFolder:
    """Parts come one a second; each has a verdict, an outcome and a record unless a test says otherwise."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "logs").mkdir(parents=True)
        for name in ("nucleus/work/com.sightline.Inference", "cloud"):
            (folder / name).mkdir(parents=True)
        (folder / "nucleus/work/com.sightline.Publisher").mkdir(parents=True)
        self._sql("ledger", "CREATE TABLE verdicts (epoch, part_number, message BLOB, settled)")
        self._sql("outbox", "CREATE TABLE records (sequence INTEGER PRIMARY KEY, payload BLOB)")
        self._sql("cloud", "CREATE TABLE records (record_id UNIQUE, gate, body TEXT)")
        self._sql("cloud", "CREATE TABLE gaps (body TEXT)")
        self.expect: Json = {}

    def write_event(self, **event: object) -> None:
        """One line of the plant's log."""
        with (self.folder / "logs" / "plant.log").open("a") as log:
            log.write(json.dumps(event) + "\n")

    def count(self, number: int, at_s: float) -> None:
        """The plant counts a part."""
        at_ns = BEGAN_NS + round(at_s * SECOND_NS)
        self.write_event(event="part_counted", number=number, counted_utc_ns=at_ns)

    def act(self, number: int, action: str) -> None:
        """The gate acts."""
        self.write_event(event="gate_acted", number=number, action=action, cause="", acted_utc_ns=0)

    def judge(
        self,
        number: int,
        verdict: str = "ok",
        at_s: float | None = None,
        epoch: int = EPOCH,
        gap_from: int | None = None,
    ) -> None:
        """A verdict lies in the ledger."""
        at_ns = BEGAN_NS + round((number if at_s is None else at_s) * SECOND_NS)
        message = {
            "part": {"epoch": epoch, "part_number": number},
            "verdict": verdict,
            "triggered_utc_ns": at_ns,
            "judged_utc_ns": at_ns,
            "gap_from": gap_from,
        }
        self._sql(
            "ledger",
            "INSERT INTO verdicts VALUES (?, ?, ?, 1)",
            epoch,
            number,
            json.dumps(message).encode(),
        )

    def record(
        self,
        number: int,
        verdict: str = "ok",
        gate: str = "passed",
        at_s: float | None = None,
        epoch: int = EPOCH,
        place: str = "cloud",
        mode: str = "production",
        corrected: str = "",
    ) -> None:
        """A record lies in the cloud, or still in the outbox."""
        at_ns = BEGAN_NS + round((number if at_s is None else at_s) * SECOND_NS)
        body = {
            "recordId": f"station-{epoch}-{number}",
            "epoch": epoch,
            "partNumber": number,
            "verdict": verdict,
            "gate": gate,
            "mode": mode,
            "timestamp": _iso(at_ns),
        }
        if place == "outbox":
            self._sql("outbox", "INSERT INTO records VALUES (NULL, ?)", json.dumps(body).encode())
            return
        self._sql(
            "cloud",
            "INSERT INTO records VALUES (?, ?, ?)",
            body["recordId"],
            corrected or gate,
            json.dumps(body),
        )

    def gap(self, first: int, last: int, epoch: int = EPOCH) -> None:
        """A gap record lies in the cloud."""
        body = {"gapId": f"gap-{epoch}-{first}", "epoch": epoch, "from": first, "to": last}
        self._sql("cloud", "INSERT INTO gaps VALUES (?)", json.dumps(body))

    def correct(self, number: int, gate: str, epoch: int = EPOCH) -> None:
        """A gate correction lies in the cloud, in a table of its own."""
        name = f"station-{epoch}-{number}"
        body = {"correctionId": f"{name}/gate", "recordId": name, "gate": gate}
        self._sql("cloud", "INSERT INTO gaps VALUES (?)", json.dumps(body))

    def whole(self, number: int, verdict: str = "ok", **more: Any) -> None:
        """A part of which everything is there and right."""
        action = "passed" if verdict == "ok" else "rejected"
        self.count(number, more.get("at_s", number))
        self.act(number, action)
        self.judge(number, verdict, **more)
        self.record(number, verdict, action, **more)

    def check(self) -> Json:
        """What the checker finds."""
        (self.folder / "expect.json").write_text(json.dumps(self.expect))
        return checker.check_station(self.folder)

    def database(self, name: str) -> Path:
        """Where a database lies."""
        work = self.folder / "nucleus" / "work"
        return {
            "ledger": work / "com.sightline.Inference" / "ledger.sqlite",
            "outbox": work / "com.sightline.Publisher" / "outbox.sqlite",
            "cloud": self.folder / "cloud" / "records.sqlite",
        }[name]

    def _sql(self, name: str, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.database(name))) as connection:
            connection.execute(statement, values)
            connection.commit()


def _iso(at_ns: int) -> str:
    moment = datetime.fromtimestamp(at_ns / 1e9, tz=timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
