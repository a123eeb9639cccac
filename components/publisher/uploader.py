"""Moves pictures from the spool to the evidence store, from a thread of its own."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from publisher.configuration import PublisherConfiguration
from publisher.evidence.store import EvidenceStore
from publisher.selection import Cause, Choice, Rules, SpoolPicture, choose, rules_of
from publisher.spool import printable, remove_if_old, scan
from publisher.wall_clock import WallClock
from sightline.backoff import Backoff
from sightline.errors import EvidenceError, SightlineError
from sightline.health import Health
from sightline.messages import Part, Verdict

log = logging.getLogger(__name__)
FAULT = "evidence-not-stored"
GIVEN_UP = "evidence-given-up"
PRESSED = "evidence-under-pressure"
SCAN_INTERVAL_S = 0.2
LONGEST_SWEEP_S = (
    5.0  # then the spool is looked at anew: its limits hold while a slow store is busy
)
DEFAULT_RULES = rules_of(PublisherConfiguration())
COUNTERS: dict[Cause, str] = {
    "unwanted": "evidence_not_wanted",
    "pressure": "evidence_dropped_ok",
    "size": "evidence_dropped_size",
    "age": "evidence_dropped_age",
}
VerdictsOf = Callable[[set[Part]], dict[Part, Verdict]]


class Uploader(threading.Thread):
    """A picture leaves the spool when the store has it, or by the rules of `selection`, counted."""

    def __init__(
        self,
        spool: Path,
        store: EvidenceStore,
        health: Health,
        backoff: Backoff | None = None,
        rules: Rules = DEFAULT_RULES,
        verdicts_of: VerdictsOf = lambda parts: {},
        outbox_pressed: Callable[[], bool] = lambda: False,
        clock: WallClock | None = None,
    ) -> None:
        super().__init__(name="evidence-uploader", daemon=True)
        self._spool = spool
        self._store = store
        self._health = health
        self._backoff = backoff or Backoff()
        self._rules = rules
        self._verdicts_of = verdicts_of
        self._outbox_pressed = outbox_pressed
        self._clock = clock or WallClock()
        self._verdicts: dict[Part, Verdict] = {}
        self._refused: set[Path] = set()
        self._stopping = threading.Event()
        self.pressed = False

    def run(self) -> None:
        """Scan and store until told to end."""
        while not self._stopping.is_set():
            try:
                self._sweep()
            except Exception as error:  # noqa: BLE001 else the spool would grow past its limits, unseen
                self._failed(error)
                self._stopping.wait(self._backoff.failed())
            else:
                self._backoff.succeeded()
                self._health.clear_fault(GIVEN_UP)
                if self._health.clear_fault(FAULT):
                    log.info("evidence is stored again")
                self._stopping.wait(SCAN_INTERVAL_S)

    def close(self, timeout_s: float = 2.0) -> bool:
        """End the thread after the picture in hand; False if the store holds it."""
        self._stopping.set()
        self.join(timeout_s)
        return not self.is_alive()

    def _sweep(self) -> None:
        """Store what the rules choose; those the store refused come last. EvidenceError, OutboxError."""
        now_s = self._clock.now_s()
        pictures, empty_folders = scan(self._spool, self._clock.by_now_s)
        self._learn_verdicts({picture.part for picture in pictures if picture.part is not None})
        choice = choose(pictures, self._verdicts, self._rules, now_s, self._outbox_pressed())
        self._report(pictures, choice)
        for picture, cause in choice.give_up:
            self._give_up(picture, cause)
        until_s = time.monotonic() + LONGEST_SWEEP_S
        for picture in sorted(choice.store, key=lambda picture: picture.path in self._refused):
            if self._stopping.is_set():
                return
            self._move(picture)
            if time.monotonic() > until_s:
                return
        for folder in empty_folders:
            remove_if_old(folder)

    def _learn_verdicts(self, parts: set[Part]) -> None:
        known = {part: self._verdicts[part] for part in parts if part in self._verdicts}
        self._verdicts = known | self._verdicts_of(parts - known.keys())

    def _report(self, pictures: list[SpoolPicture], choice: Choice) -> None:
        waiting_mib = sum(picture.size for picture in pictures) / 2**20
        self._health.gauge("evidence_waiting_mib", round(waiting_mib, 3))
        self.pressed = choice.pressed
        if not choice.pressed:
            self._health.clear_fault(PRESSED)
        elif self._health.raise_fault(PRESSED, "pictures of ok parts are not kept", "warning"):
            log.warning("pictures of ok parts are not kept", extra={"waiting_mib": waiting_mib})
        lost = sum(cause in ("size", "age") for _, cause in choice.give_up)
        if lost:
            text = f"{lost} pictures had no room or waited too long, and were given up"
            self._health.raise_fault(GIVEN_UP, text)
            log.error("pictures given up", extra={"count": lost})

    def _give_up(self, picture: SpoolPicture, cause: Cause) -> None:
        try:
            picture.path.unlink(missing_ok=True)
        except OSError as error:
            raise EvidenceError(f"{picture.path} cannot be removed: {error}") from error
        self._refused.discard(picture.path)
        self._health.count(COUNTERS[cause])

    def _move(self, picture: SpoolPicture) -> None:
        self._refused.add(picture.path)  # until it is stored: what fails comes after the others
        try:
            self._store.put(picture.key, picture.path)
            picture.path.unlink(missing_ok=True)
        except OSError as error:
            raise EvidenceError(f"{picture.path} stays in the spool: {error}") from error
        self._refused.discard(picture.path)
        self._health.count("evidence_stored")

    def _failed(self, error: Exception) -> None:
        known = isinstance(error, SightlineError)
        text = printable(str(error) if known else f"{type(error).__name__}: {error}")
        self._health.count("evidence_failed")
        if self._health.raise_fault(FAULT, text):
            log.error("evidence waits in the spool", extra={"error": text}, exc_info=not known)
