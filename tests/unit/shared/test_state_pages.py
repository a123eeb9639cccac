"""A machine state of many tags travels in pages, and comes together again."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from sightline.messaging.codec import MAX_MESSAGE_BYTES, encode
from sightline.messaging.messages import MachineState, MachineValue
from sightline.messaging.state_pages import add_page, split_into_pages

any_value = st.builds(
    MachineValue,
    tag=st.text(min_size=1, max_size=64),
    value=st.one_of(st.none(), st.booleans(), st.floats(allow_nan=False), st.text(max_size=200)),
    unit=st.text(max_size=16),
    quality=st.just("good"),
    related=st.lists(st.text(max_size=64), max_size=10).map(tuple),
)


def a_state(*values: MachineValue, sequence: int = 7, at_utc_ns: int = 5) -> MachineState:
    return MachineState(
        station_id="site-1-line-1",
        equipment_id="conveyor-1",
        line_id="line-1",
        state_utc_ns=at_utc_ns,
        status="running",
        values=values,
        sequence=sequence,
    )


def join(pages: tuple[MachineState, ...]) -> MachineState:
    whole = None
    for page in pages:
        whole = add_page(whole, page)
    assert whole is not None
    return whole


@given(st.lists(any_value, max_size=60))
def test_every_value_arrives_and_every_page_is_a_message(values: list[MachineValue]) -> None:
    pages = split_into_pages(a_state(*values))
    assert all(len(encode(page)) <= MAX_MESSAGE_BYTES for page in pages)
    assert [(page.page, page.pages) for page in pages] == [
        (number, len(pages)) for number in range(1, len(pages) + 1)
    ]
    assert join(pages).values == tuple(values)


def value(tag: str) -> MachineValue:
    return MachineValue(tag=tag, value=1.0, unit="", quality="good")


def test_a_page_joins_only_the_pages_of_its_own_interval() -> None:
    first = a_state(value("a"))
    second = msgspec.structs.replace(a_state(value("b")), page=2, pages=2)
    assert [v.tag for v in join((first, second)).values] == ["a", "b"]
    assert join((second, second)).values == second.values  # twice the same page
    later = a_state(value("a"), sequence=8, at_utc_ns=6)
    assert join((later, second)).values == second.values
    assert join((first, later)) == later
