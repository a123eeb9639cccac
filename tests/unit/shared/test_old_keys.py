"""A key's old name is read, told with its pointer, and wins over the new one until it is reset."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
import pytest
from msgspec import Meta

from sightline.clock import SystemClock
from sightline.configuration import ConfigurationStruct, find_old_keys, load_configuration
from sightline.errors import ConfigurationError
from sightline.kernel.configuration_keeper import OLD_KEYS_FAULT, LastGoodConfiguration
from sightline.kernel.health import MAX_FAULT_CHARACTERS, ComponentHealth
from sightline.messaging.messages import Fault
from sightline.old_keys import OldKey, describe_old_keys, rename_old_keys
from sightline.storage.products import load_product

Json = dict[str, Any]


class ReadingLimits(ConfigurationStruct, frozen=True, kw_only=True):
    min_value: float = 0.0
    max_value: Annotated[float, Meta(le=100)] = 1.0

    def __post_init__(self) -> None:
        if self.min_value > self.max_value:
            raise ValueError("minValue is above maxValue")


class StationSettings(ConfigurationStruct, frozen=True, kw_only=True):
    OLD_KEYS: ClassVar[Mapping[str, str]] = {
        "/longestRetryS": "maxRetryS",
        "/tags/*/lowest": "minValue",
        "/tags/*/highest": "maxValue",
        "/readings/*/highest": "maxValue",
    }

    max_retry_s: Annotated[float, Meta(gt=0)] = 3.0
    tags: dict[str, ReadingLimits] = msgspec.field(default_factory=dict)
    readings: tuple[ReadingLimits, ...] = ()


def load(**values: Any) -> StationSettings:
    return load_configuration(StationSettings, values)


def pointers(**values: Any) -> list[tuple[str, str, bool]]:
    found = find_old_keys(StationSettings, values)
    return [(key.old, key.new, key.both_given) for key in found]


def test_an_old_key_alone_is_read() -> None:
    assert load(longestRetryS="7").max_retry_s == 7
    assert pointers(longestRetryS=7) == [("/longestRetryS", "/maxRetryS", False)]


def test_of_both_keys_the_old_one_is_in_force() -> None:
    assert load(longestRetryS=7, maxRetryS=3).max_retry_s == 7
    assert load(maxRetryS=3, longestRetryS=7).max_retry_s == 7
    assert pointers(longestRetryS=7, maxRetryS=3) == [("/longestRetryS", "/maxRetryS", True)]


def test_new_keys_are_no_finding() -> None:
    assert pointers(maxRetryS=3, tags={"oil": {"maxValue": 5}}) == []


def test_old_keys_in_a_map_and_in_a_list_are_read_each_with_its_place() -> None:
    tags = {"oil": {"lowest": 1, "highest": 5}, "a/b": {"minValue": 2, "lowest": 3, "maxValue": 9}}
    readings = [{}, {"highest": 4}]
    loaded = load(tags=tags, readings=readings)
    assert loaded.tags["oil"] == ReadingLimits(min_value=1, max_value=5)
    assert loaded.tags["a/b"] == ReadingLimits(min_value=3, max_value=9)
    assert loaded.readings[1].max_value == 4
    assert pointers(tags=tags, readings=readings) == [
        ("/tags/oil/lowest", "/tags/oil/minValue", False),
        ("/tags/oil/highest", "/tags/oil/maxValue", False),
        ("/tags/a~1b/lowest", "/tags/a~1b/minValue", True),
        ("/readings/1/highest", "/readings/1/maxValue", False),
    ]


def test_what_a_nucleus_can_reset_is_the_key_or_the_list_that_has_it() -> None:
    found = find_old_keys(
        StationSettings, {"readings": [{"highest": 4}], "tags": {"oil": {"lowest": 1}}}
    )
    assert {key.old: key.reset for key in found} == {
        "/readings/0/highest": "/readings",
        "/tags/oil/lowest": "/tags/oil/lowest",
    }


def test_the_values_that_were_given_stay_as_they_are() -> None:
    given = {"longestRetryS": 7, "tags": {"oil": {"lowest": 1}}}
    before = msgspec.json.encode(given)
    rename_old_keys(given, StationSettings.OLD_KEYS)
    assert msgspec.json.encode(given) == before


@pytest.mark.parametrize(
    "values", [{"tags": 7}, {"tags": [7]}, {"tags": {"oil": 7}}, {"tags": None}]
)
def test_values_of_another_kind_are_left_to_the_refusal(values: Json) -> None:
    assert find_old_keys(StationSettings, values) == []
    with pytest.raises(ConfigurationError, match="StationSettings at /tags"):
        load(**values)


@pytest.mark.parametrize(
    ("values", "pointer", "found"),
    [
        ({"longestRetryS": -1}, "/longestRetryS", "found -1"),
        ({"longestRetryS": "soon", "maxRetryS": 1}, "/longestRetryS", "found 'soon'"),
        ({"tags": {"oil": {"highest": 101}}}, "/tags/oil/highest", "found 101"),
        ({"readings": [{}, {"highest": "x"}]}, "/readings/1/highest", "found 'x'"),
        ({"maxRetryS": -1}, "/maxRetryS", "found -1"),
    ],
)
def test_a_wrong_value_is_refused_under_the_name_that_was_written(
    values: Json, pointer: str, found: str
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load(**values)
    assert f"StationSettings at {pointer}: " in str(refusal.value)
    assert found in str(refusal.value)


def test_an_unknown_key_beside_old_ones_is_still_refused_by_its_name() -> None:
    with pytest.raises(ConfigurationError, match=r"/tags/oil: .*`lowst`.*found \{'lowst': 1"):
        load(tags={"oil": {"lowst": 1, "highest": 5}})
    with pytest.raises(ConfigurationError, match="`lowest`"):
        load(lowest=1)


def test_where_a_rule_of_the_map_is_broken_the_old_names_are_explained() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load(tags={"oil": {"lowest": 9, "highest": 5}})
    assert "minValue is above maxValue (lowest is now called minValue, highest is" in str(
        refusal.value
    )
    assert "found {'lowest': 9" in str(refusal.value)


def test_a_long_list_of_old_keys_is_told_by_those_in_force_and_a_number() -> None:
    found = [
        OldKey(f"/old{number}", f"/new{number}", "x" * 99, number == 7, f"/old{number}")
        for number in range(9)
    ]
    text = describe_old_keys(found, 200)
    assert text.startswith("/old7 = 'xxx")
    assert text.endswith("; and 7 more")
    assert describe_old_keys(found[:1], 10) == str(found[0])


@pytest.fixture
def health() -> ComponentHealth:
    return ComponentHealth("com.sightline.Capture", "1", "station-1", SystemClock())


@pytest.fixture
def keeper(tmp_path: Path, health: ComponentHealth) -> LastGoodConfiguration[StationSettings]:
    return LastGoodConfiguration(StationSettings, tmp_path, health)


def old_keys_fault(health: ComponentHealth) -> Fault | None:
    faults = health.build_report().faults
    return next((fault for fault in faults if fault.code == OLD_KEYS_FAULT), None)


def test_old_beside_new_is_a_fault_old_alone_a_warning_and_neither_clears_it(
    keeper: LastGoodConfiguration[StationSettings], health: ComponentHealth
) -> None:
    assert keeper.load_first({"longestRetryS": 7, "maxRetryS": 3}) == StationSettings(max_retry_s=7)
    fault = old_keys_fault(health)
    assert fault is not None
    assert fault.level == "fault"
    assert "/longestRetryS = 7 is in force, /maxRetryS is not" in fault.text
    assert "reset the old pointers" in fault.text
    assert keeper.accept_if_valid({"longestRetryS": 7}) == StationSettings(max_retry_s=7)
    warning = old_keys_fault(health)
    assert warning is not None
    assert warning.level == "warning"
    assert "/longestRetryS = 7 is now called /maxRetryS" in warning.text
    assert keeper.accept_if_valid({"maxRetryS": 7}) == StationSettings(max_retry_s=7)
    assert old_keys_fault(health) is None


def test_the_fault_says_what_to_do_however_many_old_keys_there_are(
    keeper: LastGoodConfiguration[StationSettings], health: ComponentHealth
) -> None:
    tags = {f"tag-of-some-length-{n}": {"lowest": 0, "minValue": 0} for n in range(50)}
    keeper.load_first({"tags": tags, "longestRetryS": 7})
    fault = old_keys_fault(health)
    assert fault is not None
    assert len(fault.text) < MAX_FAULT_CHARACTERS
    assert "more. In one deployment, reset" in fault.text
    assert fault.text.endswith("docs/upgrading.md.")


def test_the_report_to_the_nucleus_accepts_old_keys_and_names_what_is_wrong_in_them(
    keeper: LastGoodConfiguration[StationSettings], health: ComponentHealth
) -> None:
    assert keeper.check({"longestRetryS": 7, "maxRetryS": 3}) == ""
    assert "at /longestRetryS: " in keeper.check({"longestRetryS": -7})
    assert old_keys_fault(health) is None  # it is asked, not put into force


def test_a_last_good_configuration_of_the_last_release_is_read_and_told(
    tmp_path: Path, keeper: LastGoodConfiguration[StationSettings], health: ComponentHealth
) -> None:
    (tmp_path / "configuration.last-good.json").write_text('{"longestRetryS": 7}')
    assert keeper.load_first({"maxRetryS": -1}) == StationSettings(max_retry_s=7)
    warning = old_keys_fault(health)
    assert warning is not None
    assert warning.level == "warning"


def test_the_last_good_configuration_is_kept_under_the_new_keys(
    tmp_path: Path, keeper: LastGoodConfiguration[StationSettings]
) -> None:
    keeper.load_first({"longestRetryS": 7})
    text = (tmp_path / "configuration.last-good.json").read_text()
    assert msgspec.json.decode(text)["maxRetryS"] == 7
    assert "longestRetryS" not in text


def test_a_product_of_the_last_release_is_read_told_once_and_left_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tiers = {"largestOkMm": 2.5, "stillOk": 3}
    content = {
        "name": "jar",
        "version": "of-the-last-release",
        "models": ["surface"],
        "productLabels": ["lid"],
        "defects": {"scratch": tiers},
        "conditions": {"lowestBrightness": 9, "highestBrightness": 200, "lowestSharpness": 1},
    }
    file = tmp_path / "product.json"
    file.write_bytes(msgspec.json.encode(content))
    before = file.read_bytes()
    products = [load_product(file) for _ in range(3)]
    assert products[0].defects["scratch"].max_ok_mm == 2.5
    assert products[0].defects["scratch"].max_ok_count == 3
    assert products[0].conditions.max_brightness == 200
    assert file.read_bytes() == before
    (told,) = [record for record in caplog.records if "old keys" in record.getMessage()]
    assert "jar of-the-last-release" in told.getMessage()
    assert "/defects/scratch/largestOkMm = 2.5 is now called" in told.getMessage()
