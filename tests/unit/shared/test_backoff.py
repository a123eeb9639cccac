"""How attempts are spaced."""

from sightline.backoff import FIRST_RETRY_S, LONGEST_RETRY_S, Backoff


def test_waits_grow_to_the_longest_stay_within_bounds_and_begin_anew_after_a_success() -> None:
    backoff = Backoff()
    waits = [backoff.failed() for _ in range(200)]
    assert all(FIRST_RETRY_S <= wait <= LONGEST_RETRY_S for wait in waits)
    assert min(waits[10:]) >= LONGEST_RETRY_S / 2
    assert len(set(waits[10:])) > 1
    backoff.succeeded()
    assert backoff.failed() <= FIRST_RETRY_S
