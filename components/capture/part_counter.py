"""The station's part counter: the numbering and its file, kept in step."""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec

from capture.numbering import (
    NumberingFile,
    NumberingState,
    NumberingStep,
    adopt_counter,
    next_by_counter,
    next_by_own_count,
    skip_uncertain_number,
)
from capture.triggers.trigger import TriggerEvent
from sightline.clock import Clock, boot_id
from sightline.errors import MessageError
from sightline.kernel.health import ComponentHealth
from sightline.messaging.messages import FaultLevel, Part
from sightline.storage.journal import DurableText, set_aside

log = logging.getLogger(__name__)

EPOCH_FILE = "numbering.epoch"
MAX_EPOCH = 1 << 40  # a file that says more is not believed
MAX_COUNTER = 1 << 53  # JSON readers take no larger one to the unit
DISCONTINUITY = "part-counter"
NOT_STORED = "part-counter-not-stored"
DISCONTINUITY_SHOWN_NS = 60_000_000_000  # it is over at once; this long an operator sees it
LATE_TRIGGER_NS = 5_000_000_000  # a trigger may come this long after its counter was adopted
FIRST_ADOPTED = 10  # so many numbers back a trigger may come late where nothing was known before


@dataclass(frozen=True)
class AdoptedNumbers:
    """Numbers that were adopted; a trigger of one of them, received until then, comes late."""

    numbers: tuple[range, ...]
    until_monotonic_ns: int

    def contains(self, counter: int, received_monotonic_ns: int) -> bool:
        """Whether the trigger's part was adopted."""
        is_in_time = received_monotonic_ns <= self.until_monotonic_ns
        return is_in_time and any(counter in numbers for numbers in self.numbers)


def _adopted_numbers(before: NumberingState | None, after: NumberingState) -> tuple[range, ...]:
    """The numbers that an announced counter stood for, also those before it wrapped."""
    end = after.last_number + 1
    if before is None or not before.counted_by_plc:
        return (range(end - FIRST_ADOPTED, end),)
    if before.epoch == after.epoch:
        return (range(before.last_number + 1, end),)
    ended = before.last_number if after.ended_before is None else after.ended_before.part_number
    return (range(before.last_number + 1, ended + 1), range(after.first_number, end))


class PartCounter:
    """Gives numbers; `stored` is what is on disk, and nothing later may be published."""

    def __init__(self, path: Path, health: ComponentHealth, clock: Clock) -> None:
        self._health = health
        self._clock = clock
        self._writer = ThreadPoolExecutor(1, "numbering")
        self._storing: tuple[Future[None], NumberingState] | None = None
        self._adopted: AdoptedNumbers | None = None
        self._discontinuity_ends_ns: int | None = None
        self._path = path
        self._file = NumberingFile(path)
        self._epochs = EpochFile(path.with_name(EPOCH_FILE))
        self.stored = self._load(path)
        self.state = self._skip_uncertain(self.stored)
        if self.stored is not None and self.stored.epoch > self._epochs.last:
            self._epochs.store(self.stored.epoch)

    @property
    def last_number(self) -> int:
        """The last number given; 0 where there is none."""
        return self.state.last_number if self.state is not None else 0

    def number_part(
        self, triggered: TriggerEvent, deadline_ns: int, *, store: bool = True
    ) -> NumberingState | None:
        """Number a part and begin to store it; None if it is numbered already.

        Without `store`, `start_storing` comes later, once for several parts.
        """
        counter, state, adopted = triggered.counter, self.state, self._adopted
        if counter is not None and not self._is_valid_count(counter):
            return None
        now_s = self._epoch_s()
        if counter is None:
            step: NumberingStep | None = next_by_own_count(state, now_s)
        elif adopted is not None and adopted.contains(counter, triggered.monotonic_ns):
            return None  # its trigger came after all, when the announced counter stood for it
        else:
            step = next_by_counter(state, counter, now_s, self._away_s())
        after = self._enter(step, deadline_ns)
        if after is not None and store:
            self.start_storing()
        return after

    def adopt(self, counter: int, deadline_ns: int) -> NumberingState | None:
        """Go on to a counter whose triggers were lost; None if all up to it are numbered."""
        before = self.state
        if not self._is_valid_count(counter):
            return None
        taken = self._enter(
            adopt_counter(before, counter, self._epoch_s(), self._away_s()), deadline_ns
        )
        if taken is not None:
            self.start_storing()
            until_ns = self._clock.monotonic_ns() + LATE_TRIGGER_NS
            self._adopted = AdoptedNumbers(_adopted_numbers(before, taken), until_ns)
        return taken

    def skip_epochs_before(self, epoch: int) -> None:
        """Count in no epoch before one of which parts have records already: they would be old parts.

        Whoever lost all files and has a clock that went back begins again, and goes on with the count.
        """
        if not self._epochs.last < epoch < MAX_EPOCH:
            return
        self.wait_until_stored()
        self._epochs.store(epoch)
        if self.state is None:
            return
        self._report(
            f"Parts of the later epoch {epoch} have records: the clock went back and capture's files were "
            "lost. A new epoch begins; parts counted meanwhile are recorded as missed. Check the clock."
        )
        self.state = self.stored = self._adopted = None

    def skip_numbers_up_to(self, part: Part) -> None:
        """Give no number of our own count that has a record already: it would be an old part.

        Whoever got an older file back goes on behind the last one that is known of.
        """
        state = self.state
        if state is None or state.counted_by_plc or state.epoch != part.epoch:
            return
        if not state.last_number < part.part_number <= MAX_COUNTER:
            return
        self._report(
            f"Part {part.part_number} has a record, but the stored part number is {state.last_number}: "
            "an older file came back. Counting continues after the later number."
        )
        self.state = msgspec.structs.replace(state, last_number=part.part_number)

    def start_storing(self) -> None:
        """Begin to store what was numbered; `wait_until_stored` waits for it."""
        if self.state is not None and self.state is not self.stored:
            self._store(self.state)

    def wait_until_stored(self) -> bool:
        """Wait until the state is on disk; False, with a fault, if it cannot be stored."""
        if self._storing is None:
            return self.state is self.stored
        (future, stored), self._storing = self._storing, None
        try:
            future.result()
        except OSError as error:
            text = f"The part number cannot be stored: {error}. Parts are rejected until it can."
            if self._health.raise_fault(NOT_STORED, text):
                log.error("number not stored", extra={"error": str(error)})
            return False
        self.stored = stored
        self._health.clear_fault(NOT_STORED)
        return self.state is stored

    def tick(self) -> None:
        """Store again what could not be stored; let a discontinuity rest after a while."""
        if self.state is not None and self.state is not self.stored:
            self.start_storing()
            self.wait_until_stored()
        self._restore_file()
        ends_ns = self._discontinuity_ends_ns
        if ends_ns is not None and self._clock.monotonic_ns() >= ends_ns:
            self._discontinuity_ends_ns = None
            self._health.clear_fault(DISCONTINUITY)

    def close(self) -> None:
        """End the thread that stores."""
        self._writer.shutdown()
        self._file.close()

    def _enter(self, step: NumberingStep | None, deadline_ns: int) -> NumberingState | None:
        if step is None:
            return None
        if step.fault is not None:
            self._report(step.fault)
        before = self.state
        self.state = msgspec.structs.replace(
            step.state,
            deadline_monotonic_ns=deadline_ns,
            boot_id=boot_id(),
            given_monotonic_ns=self._clock.monotonic_ns(),
            given_utc_s=self._clock.utc_ns() // 1_000_000_000,
        )
        if before is None and self._epochs.last < 0:
            self._announce_first_epoch(self.state)
        if before is None or before.epoch != self.state.epoch:
            self._adopted = None
            self._epochs.store(self.state.epoch)
        return self.state

    def _announce_first_epoch(self, state: NumberingState) -> None:
        """Nobody finds out by chance that a station has replaced another."""
        text = f"Epoch {state.epoch} begins with part {state.last_number}."
        log.info("first epoch", extra={"epoch": state.epoch, "part_number": state.last_number})
        self._health.set_fact("first_epoch", text)
        if state.counted_by_plc and state.last_number > FIRST_ADOPTED:
            self._report(
                f"This station has no memory of its parts, and the PLC has counted to {state.last_number}. "
                f"{text} If it replaces another machine, that one's last parts may have no record: "
                "docs/fleet.md.",
                "warning",
            )

    def _is_valid_count(self, counter: int) -> bool:
        """Whether this is a number that messages, ledgers and records can carry; a fault if not."""
        if abs(counter) <= MAX_COUNTER:
            return True
        self._report(
            f"The PLC's counter reads {counter}, which is not a count of parts; it is ignored. Check the "
            "node or register of the counter."
        )
        return False

    def _epoch_s(self) -> int:
        """The second by which an epoch is named; later than any epoch that is known of."""
        return max(self._clock.utc_ns() // 1_000_000_000, self._epochs.last + 1)

    def _away_s(self) -> float | None:
        """How long ago the last number was given; None if no clock can tell."""
        state = self.state
        if state is None or not state.given_utc_s:
            return None
        if state.boot_id == boot_id():
            return max(0.0, (self._clock.monotonic_ns() - state.given_monotonic_ns) / 1e9)
        away_s = self._clock.utc_ns() // 1_000_000_000 - state.given_utc_s
        return away_s if away_s >= 0 else None

    def _restore_file(self) -> None:
        """A file that was taken away or replaced while it was open is written again."""
        if self.stored is None or self._file.is_in_place():
            return
        self._file.close()
        what = self._set_aside(self._path) if self._path.is_dir() else "its file was removed"
        log.error("part number is stored again", extra={"reason": what})
        self._store(self.stored)
        self.wait_until_stored()

    def _store(self, state: NumberingState) -> None:
        self._storing = (self._writer.submit(self._file.store, state), state)

    def _load(self, path: Path) -> NumberingState | None:
        try:
            kept = self._file.load()
            if kept is None and self._epochs.last >= 0:
                self._report(
                    "The stored part number is lost. A new epoch begins; parts counted meanwhile are "
                    "recorded as missed."
                )
            if kept is not None and self._file.is_copy():
                self._epochs.last = max(self._epochs.last, kept.epoch)
                self._report(
                    f"The stored part number {kept.last_number} came with a copy of this folder, so later "
                    "parts may have records already. A new epoch begins; parts counted since the last "
                    "one in inference's ledger are recorded as missed."
                )
                return None
            return kept
        except (MessageError, OSError) as error:
            self._report(
                f"The stored part number is damaged ({error}); {self._set_aside(path)}. A new epoch "
                "begins; parts counted meanwhile are recorded as missed."
            )
            return None

    def _skip_uncertain(self, kept: NumberingState | None) -> NumberingState | None:
        """No number of our own count is given twice; the one that is left out is told as missed."""
        if kept is None or not self._file.may_be_older:
            return kept
        after = skip_uncertain_number(kept)
        if after is not kept:
            self._report(
                f"The last stored part number is damaged; {after.last_number} may have been used already. "
                "It is skipped, and recorded as missed if it has no record."
            )
        return after

    def _set_aside(self, path: Path) -> str:
        try:
            return f"it is kept as {set_aside(path).name}"
        except OSError as error:
            return f"it cannot be set aside: {error}"

    def _report(self, fault: str, level: FaultLevel = "fault") -> None:
        log.error("part counter does not continue", extra={"reason": fault})
        self._health.raise_fault(DISCONTINUITY, fault, level)
        self._discontinuity_ends_ns = self._clock.monotonic_ns() + DISCONTINUITY_SHOWN_NS


class EpochFile:
    """The last epoch once more, in a file of its own: a lost numbering, or a clock that went back, does
    not lead to an epoch before it, in which inference would take every part for an old one."""

    def __init__(self, path: Path) -> None:
        self._text = DurableText(path)
        self.last = -1
        kept = self._text.load_or_set_aside(lambda text: log.error(text))
        if kept is not None:
            try:
                self.last = int(kept)
            except ValueError:
                self._text.set_aside("it does not hold a number", lambda text: log.error(text))
        if not -1 <= self.last < MAX_EPOCH:
            self.last = -1

    def store(self, epoch: int) -> None:
        """On disk when this returns, if the disk takes it."""
        self.last = max(self.last, epoch)
        try:
            self._text.store(str(self.last))
        except OSError as error:
            log.error("epoch not stored", extra={"error": str(error)})
