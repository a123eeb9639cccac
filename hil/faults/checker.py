"""Compare the plant's log with the station's and the cloud's databases; imports nothing of the project.

    python hil/faults/checker.py --station FOLDER

The plant's log (`part_counted`, `gate_acted`) is the truth. Each counted part must have exactly one verdict
in the ledger and exactly one record in the cloud (or lie in one gap record), no part may pass the gate
without its own ok, and no record may contradict the gate. Databases are opened read-only; messages are
found by their content, in any table. Prints a table; exit code 1 if there are problems.

FOLDER/before/ may hold copies of databases from before they were damaged, FOLDER/expect.json what a run
expects: `recovery` (windows in which parts must be inspected) and `damaged_parts`.
"""

import argparse
import json
import re
import sqlite3
import statistics
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

MAX_EXAMPLES = 12
MIN_OK_PARTS = 5  # of so many parts that are ok, the gate passes one at least
PLC_DEATH_WINDOW_NS = (
    100_000_000  # a part counted this shortly before its PLC was killed could not be reported
)
SECOND_NS = 1_000_000_000
SET_ASIDE_WORDS = (
    "refus",
    "dead",
    "conflict",
    "unreadable",
    "aside",
)  # in names of tables that keep what is amiss
CUT_RECORD = re.compile(rb'\A\{.*?"recordId"\s*:\s*"([^"]{1,200})"', re.DOTALL)
Json = dict[str, Any]
PartKey = tuple[int, int]  # which count of the PLC's, and the number within it


@dataclass
class CountedPart:
    """A part as logged by the plant."""

    key: PartKey
    counted_ns: int
    action: str = ""
    at_death: bool = False


@dataclass
class PlcCount:
    """The numbers of a PLC's counter since one start."""

    parts: dict[int, CountedPart] = field(default_factory=dict)
    killed: bool = False


@dataclass(frozen=True)
class RecordRow:
    """An inspection record from any database."""

    record_id: str
    epoch: int
    number: int
    verdict: str
    gate: str
    mode: str
    at_ns: int
    place: str


@dataclass(frozen=True)
class GapRow:
    """A gap record."""

    gap_id: str
    epoch: int
    first: int
    last: int
    place: str


@dataclass(frozen=True)
class VerdictRow:
    """A row of a ledger; `first` is less than `last` for a gap."""

    epoch: int
    first: int
    last: int
    verdict: str
    at_ns: int
    place: str


@dataclass
class DatabaseContents:
    """Everything found in the databases."""

    records: list[RecordRow] = field(default_factory=list)
    gaps: list[GapRow] = field(default_factory=list)
    corrections: dict[str, str] = field(default_factory=dict)
    verdicts: list[VerdictRow] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    set_aside: list[str] = field(default_factory=list)
    sent: dict[str, list[Json]] = field(default_factory=dict)  # by recordId, those unlike another
    sent_count: int = 0


def read_truth(log: Path) -> list[PlcCount]:
    """The counter runs in the plant's log, in order; a number that does not increase starts a new one."""
    counts = [PlcCount()]
    last_number, power_lost_after = 0, 0
    for event in _read_events(log):
        kind = event.get("event")
        if kind == "part_counted":
            number = int(event["number"])
            if counts[-1].parts and number <= last_number:
                for after in filter(lambda n: 0 < power_lost_after < n, counts[-1].parts):
                    counts[-1].parts[after].at_death = True
                counts.append(PlcCount())
                power_lost_after = 0
            key = (len(counts) - 1, number)
            counts[-1].parts[number] = CountedPart(key, int(event["counted_utc_ns"]))
            last_number = number
        elif kind == "gate_acted":
            for count in reversed(counts):
                part = count.parts.get(int(event["number"]))
                if part is not None and not part.action:
                    part.action = str(event["action"])
                    break
        elif kind in ("plc_killed", "plc_power_lost"):
            counts[-1].killed = True
            power_lost_after = last_number if kind == "plc_power_lost" else 0
            for part in counts[-1].parts.values():
                part.at_death |= 0 <= int(event["utc_ns"]) - part.counted_ns < PLC_DEATH_WINDOW_NS
    return [count for count in counts if count.parts]


def _read_events(log: Path) -> Iterator[Json]:
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("{"):
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                yield event


def read_database_contents(station: Path) -> DatabaseContents:
    """Read the station's ledgers, outboxes and stores, including set-aside files and copies."""
    kept = DatabaseContents()
    for path in _find_databases(station):
        try:
            _read_database(path, path.relative_to(station).as_posix(), kept)
        except sqlite3.Error as error:
            kept.unreadable.append(f"{path.relative_to(station)}: {error}")
    if (wire := station / "wire.jsonl").is_file():
        for record in _read_events(wire):
            if "correctionId" in record:
                continue  # of these the last holds
            kept.sent_count += 1
            name = str(record.get("recordId") or record.get("gapId"))
            known = kept.sent.setdefault(name, [])
            if record not in known:
                known.append(record)
    return kept


def _find_databases(station: Path) -> list[Path]:
    work = station / "nucleus" / "work"
    folders = (station / "before", work / "com.sightline.Inference")
    others = (work / "com.sightline.Publisher", station / "cloud")
    files = (path for folder in (*folders, *others) for path in sorted(folder.glob("*.sqlite*")))
    return [path for path in files if not path.name.endswith(("-wal", "-shm", "-journal"))]


def _read_database(path: Path, place: str, kept: DatabaseContents) -> None:
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)
    connection.text_factory = lambda raw: raw.decode(errors="replace")
    try:
        connection.execute("BEGIN")
        tables = [
            str(name)
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        for table in tables:
            cursor = connection.execute(f'SELECT * FROM "{table}"')
            names = [str(column[0]) for column in cursor.description]
            for row in cursor:
                _read_row(dict(zip(names, row, strict=True)), f"{place}:{table}", kept)
    finally:
        connection.close()


def _read_row(row: Json, place: str, kept: DatabaseContents) -> None:
    is_aside = any(word in place.rpartition(":")[2] for word in SET_ASIDE_WORDS)
    for content in row.values():
        body = _decode_body(content)
        if body is None:
            if is_aside and (cut := CUT_RECORD.search(_to_bytes(content))):  # only its first bytes
                kept.set_aside.append(f"{cut[1].decode(errors='replace')} in {place}")
            continue
        if "correctionId" in body:
            kept.corrections[str(body["recordId"])] = str(body["gate"])
        elif "gapId" in body:
            kept.gaps.append(_parse_gap(body, place))
        elif "recordId" in body and is_aside:
            kept.set_aside.append(f"{body['recordId']} in {place}")
        elif "recordId" in body and "partNumber" in body:
            kept.records.append(_parse_record(body, row, place))
        elif "part" in body and "verdict" in body and "judged_utc_ns" in body:
            kept.verdicts.append(_parse_verdict(body, place))


def _to_bytes(content: Any) -> bytes:
    if isinstance(content, str):
        return content.encode()
    return content if isinstance(content, bytes) else b""


def _decode_body(content: Any) -> Json | None:
    content = _to_bytes(content)
    if len(content) < 2:
        return None
    if content[:1] == b"\x78":
        try:
            content = zlib.decompress(content)
        except zlib.error:
            return None
    if content[:1] != b"{":
        return None
    try:
        body = json.loads(content)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _parse_record(body: Json, row: Json, place: str) -> RecordRow:
    return RecordRow(
        record_id=str(body["recordId"]),
        epoch=int(body["epoch"]),
        number=int(body["partNumber"]),
        verdict=str(body["verdict"]),
        gate=str(row.get("gate", body["gate"])),  # a store may keep a corrected one beside the body
        mode=str(body.get("mode", "production")),
        at_ns=_to_nanoseconds(str(body["timestamp"])),
        place=place,
    )


def _parse_gap(body: Json, place: str) -> GapRow:
    return GapRow(str(body["gapId"]), int(body["epoch"]), int(body["from"]), int(body["to"]), place)


def _parse_verdict(body: Json, place: str) -> VerdictRow:
    epoch, number = int(body["part"]["epoch"]), int(body["part"]["part_number"])
    first = body.get("gap_from")
    return VerdictRow(
        epoch=epoch,
        first=number if first is None else int(first),
        last=number,
        verdict=str(body["verdict"]),
        at_ns=int(body["triggered_utc_ns"]),
        place=place,
    )


def _to_nanoseconds(timestamp: str) -> int:
    moment = datetime.fromisoformat(timestamp.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return round(moment.timestamp() * 1e9)


class EpochMatcher:
    """Matches the station's epochs to the PLC's counter runs: the nearest in time."""

    def __init__(self, counts: Sequence[PlcCount], kept: DatabaseContents) -> None:
        self._counts = counts
        seen: dict[int, list[tuple[int, int]]] = {}
        for record in kept.records:
            seen.setdefault(record.epoch, []).append((record.number, record.at_ns))
        for verdict in kept.verdicts:
            seen.setdefault(verdict.epoch, []).append((verdict.last, verdict.at_ns))
        for gap in kept.gaps:
            seen.setdefault(gap.epoch, [])
        self._count_by_epoch = {
            epoch: self._find_nearest_count(epoch, found) for epoch, found in seen.items()
        }

    def find_part(self, epoch: int, number: int) -> PartKey | None:
        """The part with this epoch and number, or None if the plant did not count it."""
        index = self._count_by_epoch.get(epoch)
        if index is not None and number in self._counts[index].parts:
            return index, number
        for other in range(len(self._counts) - 1, -1, -1):
            if number in self._counts[other].parts and other not in self._count_by_epoch.values():
                return other, number
        return None

    def is_at_death(self, epoch: int, number: int) -> bool:
        """Whether a PLC may have counted this part as it was killed, before it logged it."""
        index = self._count_by_epoch.get(epoch)
        if index is None or not self._counts[index].killed:
            return False
        return number == max(self._counts[index].parts) + 1

    def _find_nearest_count(self, epoch: int, found: list[tuple[int, int]]) -> int | None:
        distances: list[tuple[float, int]] = []
        for index, count in enumerate(self._counts):
            apart = [
                abs(at_ns - count.parts[number].counted_ns)
                for number, at_ns in found
                if number in count.parts
            ]
            if apart:
                distances.append((statistics.median(apart), index))
        if distances:
            return min(distances)[1]
        begun = [
            index
            for index, count in enumerate(self._counts)
            if min(part.counted_ns for part in count.parts.values()) <= (epoch + 2) * SECOND_NS
        ]
        return begun[-1] if begun else None


@dataclass
class PartAccount:
    """Everything known about one part, from all sources."""

    record_ids: dict[str, set[str]] = field(default_factory=dict)  # by id: the verdicts told
    stored: Counter[str] = field(default_factory=Counter)  # by file: how many rows
    in_cloud: bool = False
    gate: str = ""
    record_verdict: str = ""
    mode: str = "production"
    verdicts: dict[tuple[int, int], set[str]] = field(default_factory=dict)  # by (epoch, number)


class StationCheck:
    """The comparison of a station's data with the plant's log."""

    def __init__(self, counts: Sequence[PlcCount], kept: DatabaseContents, expect: Json) -> None:
        self._counts = counts
        self._contents = kept
        self._expect = expect
        self._matcher = EpochMatcher(counts, kept)
        self.parts = [part for count in counts for part in count.parts.values()]
        self._accounts = {part.key: PartAccount() for part in self.parts}
        self.problems: list[str] = []
        self.examples: dict[str, list[str]] = {}
        self._damaged = {tuple(name) for name in expect.get("damaged_parts", [])}
        self._phantoms = 0
        self._join_accounts()

    def build_result(self) -> Json:
        """Build the result; `passed` is True without problems."""
        without_record = self._list_parts_without_record()
        without_verdict = [
            p for p in self.parts if not p.at_death and not self._get_part_account(p).verdicts
        ]
        lost = {part.key for part in (*without_record, *without_verdict)}
        judged = [
            p for p in self.parts if self._get_part_account(p).record_verdict not in ("", "missed")
        ]
        missed = [p for p in self.parts if self._get_part_account(p).record_verdict == "missed"]
        found: Json = {
            "triggered": len(self.parts),
            "judged": len(judged),
            "missed": len(missed),
            "records": sum(bool(self._get_part_account(p).record_ids) for p in self.parts),
            "lost": len(lost),
            "duplicated": self._count_duplicated_parts(),
            "gate_passed_unjudged": self._count_passed_without_ok(),
            "longest_outage_s": round(longest_outage_s(self.parts, self._is_judged), 2),
            "without_record": self._list_parts("without a record", without_record),
            "without_verdict": self._list_parts("without a verdict in the ledger", without_verdict),
            "undelivered": self._count_undelivered_parts(),
            "gate_wrong": self._count_wrong_gate_actions(),
            "verdict_differs": self._count_differing_verdicts(),
            "changed_on_the_wire": self._count_changed_messages(),
            "sent_again": self._contents.sent_count - len(self._contents.sent),
            "set_aside": len(self._contents.set_aside),
            "unconfirmed": sum(self._get_part_account(p).gate == "unconfirmed" for p in self.parts),
            "never_counted": self._phantoms,
            "verdict_lag_s": round(self._verdict_lag_s(), 2),
            "passed_by_gate": sum(p.action == "passed" for p in self.parts),
            "corrections": len(self._contents.corrections),
            "gap_records": len({gap.gap_id for gap in self._contents.gaps}),
            "counts_of_the_plc": len(self._counts),
            "recovery": [
                self._check_recovery(window) for window in self._expect.get("recovery", [])
            ],
            "unreadable_files": self._contents.unreadable,
        }
        for text in self._contents.set_aside:
            self._add_example("set aside", text)
        for name, words in WRONG_IF_ANY.items():
            if found[name]:
                self.problems.append(f"{found[name]} {words}")
        if not self.parts:
            self.problems.append("the plant counted no parts")
        good = sum(self._get_part_account(p).record_verdict == "ok" for p in self.parts if p.action)
        if good >= MIN_OK_PARTS and not found["passed_by_gate"]:
            self.problems.append(f"the gate passed none of the {good} ok parts")
        found["problems"] = self.problems
        found["examples"] = self.examples
        found["passed"] = not self.problems
        return found

    def _get_part_account(self, part: CountedPart) -> PartAccount:
        return self._accounts[part.key]

    def _is_judged(self, part: CountedPart) -> bool:
        return self._get_part_account(part).record_verdict not in ("", "missed")

    def _join_accounts(self) -> None:
        began_ns = min((part.counted_ns for part in self.parts), default=0) - 5 * SECOND_NS
        for record in self._contents.records:
            key = self._matcher.find_part(record.epoch, record.number)
            if key is None:
                if record.at_ns >= began_ns:  # else of an earlier run with another log
                    self._add_phantom(record.epoch, record.number, record.place)
                continue
            account = self._accounts[key]
            account.record_ids.setdefault(record.record_id, set()).add(record.verdict)
            account.stored[record.place.rpartition(":")[0]] += 1
            account.in_cloud |= _is_cloud_file(record.place)
            if not account.gate or record.place.startswith("cloud/"):
                account.gate = self._contents.corrections.get(record.record_id, record.gate)
                account.record_verdict, account.mode = record.verdict, record.mode
        for gap in self._contents.gaps:
            for number in range(gap.first, gap.last + 1):
                key = self._matcher.find_part(gap.epoch, number)
                if key is None:
                    self._add_phantom(gap.epoch, number, gap.place)
                    continue
                account = self._accounts[key]
                account.record_ids.setdefault(gap.gap_id, set()).add("missed")
                account.stored[gap.place.rpartition(":")[0]] += 1
                account.in_cloud |= _is_cloud_file(gap.place)
                account.gate, account.record_verdict = "unconfirmed", "missed"
        for verdict in self._contents.verdicts:
            for number in range(verdict.first, verdict.last + 1):
                key = self._matcher.find_part(verdict.epoch, number)
                if key is not None:
                    names = self._accounts[key].verdicts
                    names.setdefault((verdict.epoch, number), set()).add(verdict.verdict)

    def _add_phantom(self, epoch: int, number: int, place: str) -> None:
        if not self._matcher.is_at_death(epoch, number):
            self._phantoms += 1
            self._add_example("never counted", f"{epoch}-{number} in {place}")

    def _add_example(self, what: str, text: str) -> None:
        shown = self.examples.setdefault(what, [])
        if len(shown) < MAX_EXAMPLES:
            shown.append(text)

    def _list_parts(self, what: str, parts: Iterable[CountedPart]) -> int:
        listed = list(parts)
        if listed:
            self.examples[what] = format_part_ranges(part.key for part in listed)[:MAX_EXAMPLES]
        return len(listed)

    def _list_parts_without_record(self) -> list[CountedPart]:
        return [
            p for p in self.parts if not p.at_death and not self._get_part_account(p).record_ids
        ]

    def _count_undelivered_parts(self) -> int:
        return self._list_parts(
            "recorded, but not in the cloud",
            (
                p
                for p in self.parts
                if self._get_part_account(p).record_ids and not self._get_part_account(p).in_cloud
            ),
        )

    def _count_duplicated_parts(self) -> int:
        return self._list_parts(
            "more than once", (p for p in self.parts if self._is_counted_twice(p))
        )

    def _is_counted_twice(self, part: CountedPart) -> bool:
        account = self._get_part_account(part)
        told = [verdict for verdicts in account.record_ids.values() for verdict in verdicts]
        judged = [
            verdict
            for name, verdicts in account.verdicts.items()
            if name not in self._damaged
            for verdict in verdicts
        ]
        in_one_store = max(account.stored.values(), default=0)
        return len(told) > 1 or len(judged) > 1 or in_one_store > 1

    def _count_passed_without_ok(self) -> int:
        return self._list_parts(
            "passed without an ok", (p for p in self.parts if self._is_unjudged(p))
        )

    def _is_unjudged(self, part: CountedPart) -> bool:
        account = self._get_part_account(part)
        if part.action != "passed" or account.mode == "bypass":
            return False
        if not any("ok" in verdicts for verdicts in account.verdicts.values()):
            return True
        damaged = any(name in self._damaged for name in account.verdicts)
        return bool(account.record_ids) and account.record_verdict != "ok" and not damaged

    def _count_wrong_gate_actions(self) -> int:
        return self._list_parts(
            "gate wrong in the record", (p for p in self.parts if self._has_wrong_gate_action(p))
        )

    def _has_wrong_gate_action(self, part: CountedPart) -> bool:
        gate = self._get_part_account(part).gate
        return gate not in ("", "unconfirmed") and gate != part.action

    def _count_differing_verdicts(self) -> int:
        return self._list_parts(
            "record and ledger differ",
            (p for p in self.parts if self._has_differing_verdict(self._get_part_account(p))),
        )

    def _has_differing_verdict(self, account: PartAccount) -> bool:
        judged = {verdict for verdicts in account.verdicts.values() for verdict in verdicts}
        return bool(judged and account.record_verdict) and account.record_verdict not in judged

    def _count_changed_messages(self) -> int:
        changed = {name: sent for name, sent in self._contents.sent.items() if len(sent) > 1}
        for name, sent in changed.items():
            fields = sorted(key for key in sent[0] if sent[0][key] != sent[-1].get(key))
            self._add_example("sent with other content", f"{name} ({', '.join(fields)})")
        return len(changed)

    def _verdict_lag_s(self) -> float:
        """The time between the last counted part with a verdict and the last counted part."""
        if not self.parts:
            return 0.0
        counted_ns = [part.counted_ns for part in self.parts]
        with_verdict = [
            part.counted_ns for part in self.parts if self._get_part_account(part).verdicts
        ]
        return (max(counted_ns) - max(with_verdict, default=min(counted_ns))) / 1e9

    def _check_recovery(self, window: Json) -> Json:
        """Check how many parts of a window were missed, and how many may be."""
        parts = [part for part in self.parts if _is_part_in_window(part, window)]
        missed = [part for part in parts if not self._is_judged(part)]
        before = [
            p for p in self.parts if _is_part_in_window(p, window.get("baseline") or {"never": 1})
        ]
        usual = sum(not self._is_judged(p) for p in before) / len(before) if before else 0.0
        share = float(window.get("max_missed_share", 0.0)) + usual
        allowed = max(int(window.get("min_allowed", 0)), int(share * len(parts)))
        if not parts:
            self.problems.append(f"{window['why']}: no part was counted in this window")
        elif len(missed) > allowed:
            self.problems.append(
                f"{window['why']}: {len(missed)} of {len(parts)} parts were missed, "
                f"at most {allowed} allowed"
            )
        return {
            "why": window["why"],
            "parts": len(parts),
            "missed": len(missed),
            "allowed": allowed,
            "missed_share_before": round(usual, 3),
        }


WRONG_IF_ANY = {
    "lost": "lost parts: no verdict or no record",
    "duplicated": "parts with more than one verdict or record",
    "gate_passed_unjudged": "parts passed by the gate without their own ok",
    "undelivered": "parts with a record that did not reach the cloud",
    "gate_wrong": "records that contradict the gate",
    "verdict_differs": "records with a verdict other than the ledger's",
    "changed_on_the_wire": "records sent again with different content",
    "set_aside": "records refused or set aside",
    "never_counted": "records of parts that the plant did not count",
}


def longest_outage_s(parts: Sequence[CountedPart], is_judged: Any) -> float:
    """The longest time without an inspected part, between two inspected parts."""
    longest_ns, since_ns = 0, None
    for part in sorted(parts, key=lambda part: part.counted_ns):
        if is_judged(part):
            if since_ns is not None:
                longest_ns = max(longest_ns, part.counted_ns - since_ns)
            since_ns = None
        elif since_ns is None:
            since_ns = part.counted_ns
        else:
            longest_ns = max(longest_ns, part.counted_ns - since_ns)
    return longest_ns / 1e9


def format_part_ranges(keys: Iterable[PartKey]) -> list[str]:
    """Format parts as `count:first-last`, with runs of numbers merged."""
    runs: list[list[int]] = []
    for count, number in sorted(keys):
        if runs and runs[-1][0] == count and runs[-1][2] == number - 1:
            runs[-1][2] = number
        else:
            runs.append([count, number, number])
    return [f"{c}:{a}" if a == b else f"{c}:{a}-{b}" for c, a, b in runs]


def _is_cloud_file(place: str) -> bool:
    return place.startswith(("cloud/", "before/records"))


def _is_part_in_window(part: CountedPart, window: Json) -> bool:
    if "from_number" in window:
        count, number = part.key
        return count == 0 and window["from_number"] <= number <= window["to_number"]
    if "from_utc_ns" in window:
        return bool(window["from_utc_ns"] <= part.counted_ns <= window["to_utc_ns"])
    return False


def check_station(station: Path) -> Json:
    """Check a station's folder."""
    expect_file = station / "expect.json"
    expect = json.loads(expect_file.read_text()) if expect_file.is_file() else {}
    return StationCheck(
        read_truth(station / "logs" / "plant.log"), read_database_contents(station), expect
    ).build_result()


def format_check_result(found: Json) -> str:
    """Format the result as text."""
    lines = [
        f"  {name.replace('_', ' '):<24} {value}"
        for name, value in found.items()
        if isinstance(value, int | float | str) and not isinstance(value, bool)
    ]
    lines += [
        f"  {item['why']}: {item['missed']} of {item['parts']} missed, {item['allowed']} allowed"
        for item in found["recovery"]
    ]
    lines += [f"  unreadable: {file}" for file in found["unreadable_files"]]
    lines += [f"  ! {problem}" for problem in found["problems"]]
    lines += [f"    {what}: {', '.join(shown)}" for what, shown in found["examples"].items()]
    lines.append(
        "Every part is accounted for."
        if found["passed"]
        else "Problems were found; see the lines above."
    )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--station", type=Path, required=True, help="folder of the run to check")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    given = parser.parse_args(arguments)
    try:
        found = check_station(given.station.resolve())
    except OSError as error:
        sys.stderr.write(f"Cannot read a run from {given.station}: {error}\n")
        return 2
    sys.stdout.write((json.dumps(found) if given.json else format_check_result(found)) + "\n")
    return 0 if found["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
