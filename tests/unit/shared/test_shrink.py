"""A message that is too large is cut in the declared order, and no further than needed."""

from msgspec.structs import replace

from sightline.messaging.codec import encode_of_any_size
from sightline.messaging.messages import Fault, StationHealth
from sightline.messaging.shrink import Cut, shrink_to_fit


def _without_facts(report: StationHealth) -> StationHealth | None:
    return replace(report, facts={}) if report.facts else None


def _without_last_fault(report: StationHealth) -> StationHealth | None:
    return replace(report, faults=report.faults[:-1]) if report.faults else None


CUTS: tuple[Cut[StationHealth], ...] = (_without_facts, _without_last_fault)


def health(facts: int, faults: int) -> StationHealth:
    return StationHealth(
        station_id="line-1",
        component="c",
        version="1",
        at_utc_ns=1,
        ready=True,
        counters={},
        gauges={},
        facts={f"fact{number}": "x" * 50 for number in range(facts)},
        faults=tuple(
            Fault(code=f"f{number}", text="y" * 50, level="fault", since_utc_ns=1)
            for number in range(faults)
        ),
    )


def size(report: StationHealth) -> int:
    return len(encode_of_any_size(report))


def test_what_fits_stays_as_it_is() -> None:
    whole = health(2, 2)
    assert shrink_to_fit(whole, CUTS, size(whole)) is whole


def test_the_first_cut_goes_first_and_the_second_as_often_as_needed() -> None:
    whole = health(1, 5)
    assert shrink_to_fit(whole, CUTS, size(whole) - 1) == replace(whole, facts={})
    smaller = shrink_to_fit(whole, CUTS, size(health(0, 3)))
    assert (len(smaller.facts), len(smaller.faults)) == (0, 3)


def test_what_no_cut_makes_small_enough_is_as_small_as_it_became() -> None:
    assert shrink_to_fit(health(2, 2), CUTS, 1) == health(0, 0)
