"""Watches over the rejects: whether each part went where the gate sent it, whether the bin has room, and
how many were rejected in a row."""

from collections import deque
from collections.abc import Sequence

from equipment.configuration import EquipmentConfiguration
from equipment.links.link import ConfirmationRecord
from sightline.kernel.health import ComponentHealth
from sightline.messaging.messages import GateActed

NOT_CONFIRMED = "reject-not-confirmed"
UNEXPECTED = "reject-unexpected"
BIN_FULL = "reject-bin-full"
IN_A_ROW = "rejects-in-a-row"
CONFIRMED_AGAIN = 20  # so many in a row end a fault that nobody acknowledged
MAX_NAMED_PARTS = 5


class _PartsAstray:
    """The parts of one fault: how many, and the last of them by name."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._count = 0
        self._last: deque[str] = deque(maxlen=MAX_NAMED_PARTS)

    def add(self, name: str) -> str:
        """One more; what is wrong in all."""
        self._count += 1
        self._last.append(name)
        earlier = self._count - len(self._last)
        return f"{self._text}: {', '.join(self._last)}" + (
            f" and {earlier} before" if earlier else ""
        )

    def clear(self) -> None:
        """They are looked after."""
        self._count = 0
        self._last.clear()


class RejectWatch:
    """Raises faults; each record says whether the line should stop, and why: an empty text for not.

    What the PLC remembers from before the connection raises no fault: its parts have gone.
    """

    def __init__(self, health: ComponentHealth, configuration: EquipmentConfiguration) -> None:
        self._health = health
        self._rejected_in_row = 0
        self._confirmed_in_row = 0
        self._astray: dict[str, _PartsAstray] = {
            NOT_CONFIRMED: _PartsAstray("A part did not arrive where the gate sent it"),
            UNEXPECTED: _PartsAstray(
                "A sensor behind the gate saw a part where the gate did not send it"
            ),
        }
        self._is_bin_full: bool | None = False
        self.configure(configuration)

    def configure(self, configuration: EquipmentConfiguration) -> None:
        """Other limits from now on."""
        self._configuration = configuration

    def begin_connection(self) -> None:
        """The PLC was away: what happened meanwhile is no row of now."""
        self._end_row()
        self._is_bin_full = False
        self._health.clear_fault(BIN_FULL)  # the connection tells at once how it stands

    def record_acknowledged(self) -> str:
        """An operator ended a line stop: all is looked after, but a bin that is full still is."""
        self._end_row()
        for code in self._astray:
            self._clear_astray(code)
        return self._bin_stop_reason()

    def record_outcomes(self, fresh: Sequence[GateActed], in_production: bool) -> str:
        """The gate acted on parts, each told once here."""
        limit, reason = self._configuration.max_rejects_in_row, ""
        for acted in fresh:
            if acted.action == "passed" or not in_production:
                self._end_row()
                continue
            self._rejected_in_row += 1
            if limit and self._rejected_in_row == limit:
                text = (
                    f"{limit} parts in a row were rejected (maxRejectsInRow), the last one "
                    f"{acted.part_number} with cause {acted.cause or 'unknown'}"
                )
                self._health.raise_fault(
                    IN_A_ROW,
                    f"{text}. Look at the parts and at the station's other faults; a part that passes, "
                    "or an acknowledged line stop, ends this.",
                )
                reason = text if self._configuration.line_stop_if_rejects_in_row else ""
        return reason

    def record_confirmations(self, fresh: Sequence[ConfirmationRecord]) -> str:
        """Sensors behind the gate saw parts, or missed them."""
        reason = ""
        for record in fresh:
            if record.confirmation == "confirmed":
                self._record_confirmed()
            elif record.confirmation == "not_arrived":
                reason = self._record_astray(NOT_CONFIRMED, record, "parts_not_arrived")
            else:
                reason = self._record_astray(UNEXPECTED, record, "parts_where_not_sent")
        return reason if self._configuration.line_stop_if_not_confirmed else ""

    def record_bin(self, is_full: bool | None) -> str:
        """The reject bin is full, or has room; None: nobody knows."""
        self._is_bin_full = is_full
        if is_full is False:
            self._health.clear_fault(BIN_FULL)
        elif is_full:
            self._health.raise_fault(
                BIN_FULL,
                "The reject bin is full. Empty it, and acknowledge the line stop at the PLC.",
            )
        else:
            self._health.raise_fault(
                BIN_FULL,
                "The PLC cannot tell whether the reject bin is full (rejectBinFull is unreadable). Look "
                "after the bin, and check the sensor.",
            )
        return self._bin_stop_reason()

    def _bin_stop_reason(self) -> str:
        wanted = self._is_bin_full and self._configuration.line_stop_if_bin_full
        return "the reject bin is full" if wanted else ""

    def _end_row(self) -> None:
        self._rejected_in_row = 0
        self._health.clear_fault(IN_A_ROW)

    def _record_confirmed(self) -> None:
        self._confirmed_in_row += 1
        if self._confirmed_in_row >= CONFIRMED_AGAIN:
            for code in self._astray:
                self._clear_astray(code)

    def _record_astray(self, code: str, record: ConfirmationRecord, counter: str) -> str:
        self._confirmed_in_row = 0
        self._health.count(counter)
        named = "something that is no part" if record.is_stray else f"part {record.part_number}"
        text = self._astray[code].add(named)
        self._health.raise_fault(
            code,
            f"{text}. Look for it behind the gate, then check the gate, the chute and the sensors. An "
            f"acknowledged line stop, or {CONFIRMED_AGAIN} confirmed parts in a row, end this.",
        )
        return text

    def _clear_astray(self, code: str) -> None:
        self._astray[code].clear()
        self._health.clear_fault(code)
