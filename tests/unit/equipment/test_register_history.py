"""Product and lot of a part: what the PLC said when it was counted, whatever its clock did since."""

import pytest

from equipment.links.register_history import RegisterHistory

S = 1_000_000_000
HOUR = 3600 * S
TEN = 10 * HOUR


def told_of_two() -> RegisterHistory:
    """Product A since eight o'clock, B since ten, as the PLC's clock says; told at 0 and 7200 s of ours."""
    told = RegisterHistory()
    told.record("A", TEN - 2 * HOUR, 0)
    told.record("B", TEN, 2 * HOUR)
    return told


def test_what_is_told_together_is_ordered_by_the_plcs_time() -> None:
    told = told_of_two()
    assert told.value_at(TEN - 1, 2 * HOUR) == "A"
    assert told.value_at(TEN + 1, 2 * HOUR) == "B"


@pytest.mark.parametrize("was_counted_before", [True, False])
@pytest.mark.parametrize("set_back_ns", [S, HOUR, 9 * HOUR])
def test_a_plc_whose_clock_is_set_back_does_not_bring_back_the_product_before(
    set_back_ns: int, was_counted_before: bool
) -> None:
    told = told_of_two()
    later_ns = 60 * S
    if was_counted_before:
        assert told.value_at(TEN + 1, 2 * HOUR) == "B"
    assert told.value_at(TEN + later_ns - set_back_ns, 2 * HOUR + later_ns) == "B"
    told.record("C", TEN + 2 * later_ns - set_back_ns, 2 * HOUR + 2 * later_ns)
    counted_ns, received_ns = TEN + 3 * later_ns - set_back_ns, 2 * HOUR + 3 * later_ns
    assert told.value_at(counted_ns, received_ns) == "C"
