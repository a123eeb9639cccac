"""How attempts are spaced."""

from sightline.backoff import FIRST_RETRY_S, MAX_RETRY_S, Backoff


def test_waits_grow_to_the_longest_stay_within_bounds_and_begin_anew_after_a_success() -> None:
    backoff = Backoff()
    waits = [backoff.next_delay_s() for _ in range(200)]
    assert all(FIRST_RETRY_S <= wait <= MAX_RETRY_S for wait in waits)
    assert min(waits[10:]) >= MAX_RETRY_S / 2
    assert len(set(waits[10:])) > 1
    backoff.reset()
    assert backoff.next_delay_s() <= FIRST_RETRY_S
