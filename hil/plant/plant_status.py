"""The plant's status: one JSON file, replaced atomically, and one JSON line per event."""

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any, TextIO

from hil.plant.gate_confirmation import ConfirmedPart
from hil.plant.gate_outcomes import TimedPartOutcome

MAX_OUTCOMES = 20_000
WRITE_INTERVAL_S = 0.1


class PlantStatus:
    """Counts, outcomes and causes; written to the file soon after each change."""

    def __init__(
        self,
        path: Path | None,
        endpoint: str,
        events: TextIO = sys.stdout,
        last_number: int = 0,
    ) -> None:
        self._path = path
        self._endpoint = endpoint
        self._events = events
        self._counted = 0
        self._last_number = last_number
        self._actions: Counter[str] = Counter()
        self._causes: Counter[str] = Counter()
        self._outcomes: dict[int, str] = {}
        self._changed = asyncio.Event()

    def record_part_counted(self, number: int, counted_utc_ns: int) -> None:
        """The PLC counted a part."""
        self._counted += 1
        self._last_number = number
        self._write_event(event="part_counted", number=number, counted_utc_ns=counted_utc_ns)

    def record_gate_acted(self, acted: TimedPartOutcome) -> None:
        """The gate passed or rejected a part."""
        outcome = acted.outcome
        self._actions[outcome.action] += 1
        if outcome.action == "rejected":
            self._causes[outcome.cause] += 1
        self._outcomes[outcome.number] = outcome.action
        if len(self._outcomes) > MAX_OUTCOMES:
            del self._outcomes[next(iter(self._outcomes))]
        self._write_event(
            event="gate_acted",
            number=outcome.number,
            action=outcome.action,
            cause=outcome.cause,
            acted_utc_ns=acted.acted_utc_ns,
        )

    def record_confirmation(self, part: ConfirmedPart) -> None:
        """The sensors behind the gate saw a part where it belongs, or not."""
        if part.confirmation != "confirmed":
            self._write_event(event="not_confirmed", number=part.number, result=part.confirmation)

    def record_fault_injected(self, **details: object) -> None:
        """A test injected a fault."""
        self._write_event(event="fault", **details)

    def record_command_refused(self, reason: str) -> None:
        """A command was refused."""
        self._write_event(event="command_refused", reason=reason)

    def summary(self) -> dict[str, Any]:
        """The status file's content; `outcomes` maps part numbers to actions."""
        return {
            "endpoint": self._endpoint,
            "counted": self._counted,
            "last_number": self._last_number,
            "passed": self._actions["passed"],
            "rejected": self._actions["rejected"],
            "rejected_by_cause": dict(self._causes),
            "outcomes": self._outcomes,
        }

    def write(self) -> None:
        """Write the file now."""
        if self._path is not None:
            draft = self._path.with_name(self._path.name + ".new")
            draft.write_text(json.dumps(self.summary()), encoding="utf-8")
            draft.replace(self._path)

    async def run(self) -> None:
        """Write the file after changes, at most ten times a second, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            self.write()
            await asyncio.sleep(WRITE_INTERVAL_S)

    def _write_event(self, **event: object) -> None:
        self._events.write(json.dumps(event) + "\n")
        self._events.flush()
        self._changed.set()
