"""Which pictures go to the store, which wait, and which are given up first."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from publisher.configuration import KeepConfiguration
from publisher.evidence.picture_selection import (
    VERDICT_TIERS,
    PictureSelection,
    SelectionRules,
    SpoolPicture,
    select_pictures,
)
from publisher.evidence.picture_spool import parse_picture_part
from sightline.messaging.messages import Part, Verdict
from sightline.storage.station_folder import evidence_key
from tests.unit.publisher.publisher_kit import STATION

NOW_S = 1_000_000.0
ALL = KeepConfiguration()


def a_picture(number: int, size: int = 100, age_s: float = 1.0) -> SpoolPicture:
    key = evidence_key(STATION, Part(7, number), "cam1")
    return SpoolPicture(Path("/spool") / key, key, Part(7, number), size, NOW_S - age_s)


def rules(
    keep: KeepConfiguration = ALL, greatest_bytes: int = 10_000, share: float = 0.8
) -> SelectionRules:
    return SelectionRules(keep, greatest_bytes, max_age_s=3600.0, pressure_share=share)


def chosen(
    pictures: list[SpoolPicture],
    verdicts: dict[int, Verdict],
    rules: SelectionRules,
    outbox_pressed: bool = False,
) -> PictureSelection:
    known = {Part(7, number): verdict for number, verdict in verdicts.items()}
    return select_pictures(pictures, known, rules, NOW_S, outbox_pressed)


def numbers(pictures: list[SpoolPicture]) -> list[int]:
    return [picture.part.part_number for picture in pictures if picture.part is not None]


def given_up(choice: PictureSelection) -> dict[int, str]:
    return {picture.part.part_number: cause for picture, cause in choice.to_drop if picture.part}


def test_all_is_stored_oldest_first_where_all_is_wanted() -> None:
    pictures = [a_picture(1, age_s=1), a_picture(2, age_s=3), a_picture(3, age_s=2)]
    choice = chosen(pictures, {}, rules())
    assert numbers(choice.to_store) == [2, 3, 1]
    assert choice.to_drop == []


def test_of_ok_parts_each_third_is_stored_and_of_the_others_the_configured_verdicts() -> None:
    verdicts: dict[int, Verdict] = dict.fromkeys(range(1, 10), "ok")
    verdicts |= {10: "defect", 11: "empty", 12: "review"}
    keep = KeepConfiguration(each_ok=3, empty=False)
    choice = chosen([a_picture(number) for number in verdicts], verdicts, rules(keep))
    assert sorted(numbers(choice.to_store)) == [3, 6, 9, 10, 12]
    assert set(given_up(choice)) == {1, 2, 4, 5, 7, 8, 11}
    assert set(given_up(choice).values()) == {"unwanted"}


def test_a_picture_waits_for_its_verdict_but_not_for_ever() -> None:
    keep = KeepConfiguration(each_ok=0)
    choice = chosen([a_picture(1, age_s=5), a_picture(2, age_s=70)], {}, rules(keep))
    assert numbers(choice.to_store) == [2]
    assert choice.to_drop == []


def test_ok_pictures_go_first_when_the_outbox_or_the_spool_nears_its_limit() -> None:
    pictures = [a_picture(1), a_picture(2), a_picture(3)]
    verdicts: dict[int, Verdict] = {1: "ok", 2: "defect", 3: "review"}
    by_outbox = chosen(pictures, verdicts, rules(), outbox_pressed=True)
    by_spool = chosen(pictures, verdicts, rules(greatest_bytes=350))
    for choice in (by_outbox, by_spool):
        assert choice.under_pressure
        assert given_up(choice) == {1: "pressure"}
        assert numbers(choice.to_store) == [2, 3]
    assert not chosen(pictures, verdicts, rules(greatest_bytes=375)).under_pressure


def test_what_does_not_fit_goes_by_tier_and_then_by_age() -> None:
    pictures = [a_picture(number, age_s=10 - number) for number in range(1, 7)]
    verdicts: dict[int, Verdict] = {1: "defect", 2: "review", 3: "empty", 4: "missed", 5: "review"}
    choice = chosen(pictures, verdicts, rules(greatest_bytes=300))
    assert given_up(choice) == {3: "size", 4: "size", 2: "size"}
    assert numbers(choice.to_store) == [1, 5]  # 6 has no verdict yet


def test_a_picture_that_waited_too_long_goes_whatever_it_shows() -> None:
    choice = chosen([a_picture(1, age_s=3601)], {1: "defect"}, rules())
    assert given_up(choice) == {1: "age"}


def test_a_file_whose_place_names_no_part_is_stored() -> None:
    stray = SpoolPicture(Path("/spool/x.jpg"), "x.jpg", parse_picture_part("x.jpg"), 10, NOW_S)
    assert chosen([stray], {}, rules(KeepConfiguration(each_ok=0))).to_store == [stray]


@given(
    parts=st.lists(
        st.tuples(st.sampled_from([*VERDICT_TIERS, None]), st.integers(1, 500), st.floats(0, 4000)),
        max_size=20,
    ),
    greatest_bytes=st.integers(100, 3000),
    pressed=st.booleans(),
    each_ok=st.integers(0, 3),
)
def test_no_picture_is_in_two_places_none_of_a_higher_tier_goes_before_a_lower_and_the_rest_fits(
    parts: list[tuple[Verdict | None, int, float]],
    greatest_bytes: int,
    pressed: bool,
    each_ok: int,
) -> None:
    pictures = [a_picture(i, size, age_s) for i, (_, size, age_s) in enumerate(parts)]
    verdicts = {i: verdict for i, (verdict, _, _) in enumerate(parts) if verdict}
    keep = KeepConfiguration(each_ok=each_ok)
    choice = chosen(pictures, verdicts, rules(keep, greatest_bytes), pressed)
    gone = [picture for picture, _ in choice.to_drop]
    assert len({*gone, *choice.to_store}) == len(gone) + len(choice.to_store)
    left = [picture for picture in pictures if picture not in gone]
    assert sum(picture.size for picture in left) <= greatest_bytes
    tiers_left = {VERDICT_TIERS[verdicts.get(number, "defect")] for number in numbers(left)}
    for number, cause in given_up(choice).items():
        if cause == "size":
            assert VERDICT_TIERS[verdicts.get(number, "defect")] <= min(tiers_left, default=4)
