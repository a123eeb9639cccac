"""What was sent and is not known to be stored: what goes next, what again, and what waits apart. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

MAX_IN_FLIGHT = 64
MAX_AFTER_SILENCE = 8
MAX_ROUNDS = 3
MAX_RETURNED = 10_000
PATIENCE_S = 15.0
SLOW_INTERVAL_S = 1.0
SLOW_AGAIN_S = 60.0


@dataclass
class MessageInFlight:
    """A message by its place in the outbox, and how it fared: how often sent, how often overtaken."""

    name: str
    sequence: int
    sent_at_s: float = 0.0
    order: int = 0
    sends: int = 0
    overtaken: int = 0


class MessagesInFlight:
    """Messages by the names under which the cloud confirms them.

    After a silence one goes out, after each more one more, until one is confirmed: first what was not sent
    yet, so that nothing that the cloud refuses without a word can hold up the others. What was sent three
    times while later ones were confirmed waits apart: it takes no room, and goes again slowly, for ever.
    """

    def __init__(self, max_in_flight: int = MAX_IN_FLIGHT, patience_s: float = PATIENCE_S) -> None:
        self._max_in_flight = max_in_flight
        self._patience_s = patience_s
        self._under_way: dict[str, MessageInFlight] = {}
        self._returned: dict[str, MessageInFlight] = {}
        self._slow: dict[str, MessageInFlight] = {}
        self._silences = 0
        self._last_confirmed_at_s = 0.0
        self._order = 0
        self._last_confirmed_order = 0
        self._next_slow_s = 0.0
        self.sent_up_to = 0

    @property
    def silences(self) -> int:
        """How many there were since something was confirmed."""
        return self._silences

    @property
    def slow_names(self) -> list[str]:
        """The names of those that wait apart."""
        return list(self._slow)

    def has_room(self) -> bool:
        """Whether another may be sent."""
        few = min(self._silences, MAX_AFTER_SILENCE)
        return len(self._under_way) < min(self._max_in_flight, few or self._max_in_flight)

    def sends_new_first(self) -> bool:
        """Whether what was not sent yet goes before what comes back."""
        return not self._returned or (self._silences > 0 and len(self._returned) < MAX_RETURNED)

    def find_next_returned(self) -> MessageInFlight | None:
        """What is to be sent again next, or None; what others overtook has half of the room at most."""
        overtaken = sum(flight.overtaken > 0 for flight in self._under_way.values())
        for flight in self._returned.values():
            if not flight.overtaken or overtaken < max(1, self._max_in_flight // 2):
                return flight
        return None

    def find_next_slow(self, now_s: float) -> MessageInFlight | None:
        """Which of those that wait apart is to be sent again now, or None."""
        if now_s < self._next_slow_s or not self._slow:
            return None
        flight = next(iter(self._slow.values()))
        return flight if now_s - flight.sent_at_s >= SLOW_AGAIN_S else None

    def mark_sent(self, name: str, sequence: int, now_s: float) -> None:
        """It is under way."""
        if not self._awaits_confirmation():
            self._last_confirmed_at_s = now_s
        slow = self._slow.pop(name, None)
        flight = slow or self._returned.pop(name, None) or MessageInFlight(name, sequence)
        self._order += 1
        flight.sent_at_s, flight.order, flight.sends = now_s, self._order, flight.sends + 1
        if slow is not None:
            self._slow[name] = flight
            self._next_slow_s = now_s + SLOW_INTERVAL_S
        else:
            self._under_way[name] = flight
        self.sent_up_to = max(self.sent_up_to, sequence)

    def find(self, name: str) -> MessageInFlight | None:
        """What waits under this name, or None: a repeat, or it was sent before a restart."""
        return self._under_way.get(name) or self._returned.get(name) or self._slow.get(name)

    def confirm(self, name: str, now_s: float) -> None:
        """The cloud has it, or will never take it: it lives."""
        flight = self.find(name)
        self.forget(name)
        if flight is not None:
            self._last_confirmed_order = max(self._last_confirmed_order, flight.order)
        self._last_confirmed_at_s = now_s
        if self._silences:
            self._silences = 0
            self._sort_returned(lambda flight: (0, flight.sequence))
            for returned in list(self._returned.values()):
                self._count_overtaken(returned)

    def forget(self, name: str) -> None:
        """It is in the outbox no more."""
        for flights in (self._under_way, self._returned, self._slow):
            flights.pop(name, None)

    def is_silent(self, now_s: float) -> bool:
        """Whether nothing was confirmed for too long although something is under way.

        One that others have overtaken says nothing of that.
        """
        return now_s - self._last_confirmed_at_s > self._patience_s and self._awaits_confirmation()

    def return_all(self, now_s: float) -> None:
        """After a silence all that is under way is to be sent again; the patience begins anew."""
        self._last_confirmed_at_s = now_s
        self._returned.update(self._under_way)
        self._under_way.clear()
        self._silences += 1
        self._sort_returned(lambda flight: (flight.sends, flight.sequence))

    def return_overtaken(self, now_s: float) -> None:
        """Take back what has waited too long while later ones were confirmed."""
        late = [f for f in self._under_way.values() if now_s - f.sent_at_s > self._patience_s]
        for flight in late:
            self._count_overtaken(flight)
            if flight.overtaken and flight.name in self._under_way:
                del self._under_way[flight.name]
                self._returned[flight.name] = flight

    def _awaits_confirmation(self) -> bool:
        return any(not flight.overtaken for flight in self._under_way.values())

    def _count_overtaken(self, flight: MessageInFlight) -> None:
        """Count a round if one that was sent later is confirmed; after some of them it waits apart."""
        if flight.order < self._last_confirmed_order:
            flight.overtaken += 1
        if flight.overtaken >= MAX_ROUNDS:
            self.forget(flight.name)
            self._slow[flight.name] = flight

    def _sort_returned(self, key: Callable[[MessageInFlight], tuple[int, int]]) -> None:
        ordered = sorted(self._returned.values(), key=key)
        self._returned = {flight.name: flight for flight in ordered}
