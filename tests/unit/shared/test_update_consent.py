"""An update waits until the part in hand is settled, and for no line that never rests."""

from sightline.messaging.update_consent import MAX_DEFERRAL_S, RECHECK_MS, UpdateConsent


class StillClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.time_ns = 5_000_000_000

    def monotonic_ns(self) -> int:
        """The time it was set to."""
        return self.time_ns

    def utc_ns(self) -> int:
        """The same."""
        return self.time_ns

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.time_ns += int(seconds * 1e9)


def test_a_component_with_nothing_in_hand_lets_the_update_go_on() -> None:
    assert UpdateConsent(StillClock()).decide_recheck_ms("d", waiting=0) == 0


def test_while_parts_wait_the_update_is_put_off_and_then_goes_on() -> None:
    clock = StillClock()
    consent = UpdateConsent(clock)
    assert consent.decide_recheck_ms("d", waiting=3) == RECHECK_MS
    clock.pass_s(1)
    assert consent.decide_recheck_ms("d", waiting=1) == RECHECK_MS
    assert consent.decide_recheck_ms("d", waiting=0) == 0


def test_a_line_that_never_rests_is_not_waited_for_without_end() -> None:
    clock = StillClock()
    consent = UpdateConsent(clock)
    assert consent.decide_recheck_ms("one", waiting=1) == RECHECK_MS
    clock.pass_s(MAX_DEFERRAL_S)
    assert (
        consent.decide_recheck_ms("other", waiting=1) == RECHECK_MS
    )  # each deployment has its own time
    assert consent.decide_recheck_ms("one", waiting=1) == 0
    assert consent.decide_recheck_ms("one", waiting=1) == RECHECK_MS  # asked anew, it begins anew
