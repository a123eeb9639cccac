"""What was sent and is not known to be stored; after too long a silence it is sent again."""

from publisher.outbox import Stored

MOST_IN_FLIGHT = 64
MOST_AFTER_SILENCE = 8
PATIENCE_S = 15.0


class InFlight:
    """Records by their id. After a silence one goes out, after each more one more, until one is confirmed.

    A cloud that is away gets few repeats, and a record that it refuses does not hold up the others for ever.
    """

    def __init__(self, most: int = MOST_IN_FLIGHT, patience_s: float = PATIENCE_S) -> None:
        self._most = most
        self._silences = 0
        self._patience_s = patience_s
        self._waiting: dict[str, Stored] = {}
        self._heard_at_s = 0.0
        self.sent_up_to = 0

    def has_room(self) -> bool:
        """Whether another may be sent."""
        under_way = sum(stored.sequence <= self.sent_up_to for stored in self._waiting.values())
        few = min(self._silences, MOST_AFTER_SILENCE)
        return under_way < min(self._most, few or self._most)

    def sent(self, record_id: str, stored: Stored, now_s: float) -> None:
        """It is under way."""
        if not self._waiting:
            self._heard_at_s = now_s
        self._waiting[record_id] = stored
        self.sent_up_to = stored.sequence

    def find(self, record_id: str) -> Stored | None:
        """What waits under this id, or None: a repeat, or it was sent before a restart."""
        return self._waiting.get(record_id)

    def confirm(self, record_id: str, now_s: float) -> None:
        """The cloud has it."""
        del self._waiting[record_id]
        self._heard_at_s = now_s
        self._silences = 0

    def is_silent(self, now_s: float) -> bool:
        """Whether nothing was confirmed for too long although something is under way."""
        return bool(self._waiting) and now_s - self._heard_at_s > self._patience_s

    def go_back(self, now_s: float) -> None:
        """Send again, from the oldest on."""
        self.sent_up_to = 0
        self._silences += 1
        self._heard_at_s = now_s
