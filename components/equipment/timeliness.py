"""Whether triggers and verdicts come in time: one that is late now and then is a part's matter, many are the
station's.
"""

from collections import deque

REMEMBERED_VERDICTS = 20
MIN_REMEMBERED = 10  # fewer say nothing of a share
MAX_LATE_SHARE = 0.5
LATE_FOR_NS = 60_000_000_000  # all late for so long: also where parts are few
IN_TIME_AGAIN = 5
MAX_TRIGGER_DELAY_MS = 50.0  # capture's maxTriggerDelayMs, where it is not set otherwise


class VerdictTimeliness:
    """The last verdicts that were fresh, each in time or late."""

    def __init__(self) -> None:
        self._late: deque[bool] = deque(maxlen=REMEMBERED_VERDICTS)
        self._all_late_since_ns: int | None = None
        self._max_late_ms = 0.0
        self.are_late = False

    def record_in_time(self) -> None:
        """A verdict went out in time."""
        self._late.append(False)
        self._all_late_since_ns = None
        if not any(list(self._late)[-IN_TIME_AGAIN:]) and len(self._late) >= IN_TIME_AGAIN:
            if self.are_late:
                self._late.clear()
            self.are_late, self._max_late_ms = False, 0.0

    def record_late(self, late_ms: float, now_ns: int) -> None:
        """A verdict came too late, by so much."""
        self._late.append(True)
        self._max_late_ms = max(self._max_late_ms, late_ms)
        if self._all_late_since_ns is None:
            self._all_late_since_ns = now_ns
        share = sum(self._late) / len(self._late)
        many = len(self._late) >= MIN_REMEMBERED and share >= MAX_LATE_SHARE
        long = len(self._late) > 1 and now_ns - self._all_late_since_ns >= LATE_FOR_NS
        self.are_late = self.are_late or many or long

    def record_unwritten(self, late_ms: float, now_ns: int) -> None:
        """The verdict that went out last came too late to be written."""
        if self._late and not self._late[-1]:
            self._late.pop()
        self.record_late(late_ms, now_ns)

    def describe(self) -> str:
        """What is wrong, for the operator."""
        return (
            f"{sum(self._late)} of the last {len(self._late)} verdicts came too late for the gate (by up "
            f"to {self._max_late_ms:.0f} ms): the PLC rejects these parts, good ones too. Check whether "
            "inference is overloaded (its health shows how long it takes), or give it more time: a greater "
            "distance to the gate, a slower belt, or a smaller model."
        )


class TriggerTimeliness:
    """How late the last triggers were."""

    def __init__(self) -> None:
        self._delays_ms: deque[float] = deque(maxlen=MIN_REMEMBERED)
        self.are_late = False

    def record(self, delay_ms: float) -> None:
        """A part was triggered."""
        self._delays_ms.append(delay_ms)
        late = [delay > MAX_TRIGGER_DELAY_MS for delay in self._delays_ms]
        if sum(late) >= IN_TIME_AGAIN:
            self.are_late = True
        elif not any(late[-IN_TIME_AGAIN:]):
            self.are_late = False

    def describe(self) -> str:
        """What is wrong, for the technician."""
        late = [delay for delay in self._delays_ms if delay > MAX_TRIGGER_DELAY_MS]
        return (
            f"{len(late)} of the last {len(self._delays_ms)} parts were reported up to "
            f"{max(late, default=0):.0f} ms after they were counted. Capture photographs none past its "
            f"maxTriggerDelayMs ({MAX_TRIGGER_DELAY_MS:g} ms by default): these parts are missed, and "
            "rejected. Check the network to the PLC, the PLC's load, and how often it is polled "
            "(pollingIntervalMs) or publishes (publishingIntervalMs)."
        )
