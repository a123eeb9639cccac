"""The search for the highest rate that holds."""

from hypothesis import given
from hypothesis import strategies as st

from hil.run.rate_search import find_max_rate


@given(
    limit=st.floats(0.5, 60),
    start=st.floats(1, 25),
    resolution=st.sampled_from([0.25, 0.5, 1.0]),
)
def test_it_finds_the_highest_rate_that_holds_to_within_the_resolution(
    limit: float, start: float, resolution: float
) -> None:
    tried: list[float] = []

    def holds(rate: float) -> float | None:
        tried.append(rate)
        return rate if rate <= limit else None

    found = find_max_rate(holds, start_hz=start, max_hz=25.0, resolution_hz=resolution)
    if limit < resolution:
        assert found is None or found.rate_hz <= limit
    elif limit >= 25:
        assert found is not None
        assert (found.rate_hz, found.at_search_limit) == (25.0, True)
    elif found is not None:
        assert found.rate_hz <= limit < found.rate_hz + 2 * resolution
        assert found.trial == found.rate_hz
    else:
        assert limit < 2 * resolution
    assert len(tried) <= 12


def test_where_nothing_holds_it_says_so() -> None:
    assert find_max_rate(lambda _: None, start_hz=5, max_hz=25, resolution_hz=1) is None
