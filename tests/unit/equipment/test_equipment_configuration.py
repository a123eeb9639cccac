"""A wrong configuration is refused with its place, what was found and what is allowed."""

from typing import Any

import pytest

from equipment.configuration import EquipmentConfiguration
from sightline.configuration import default_configuration, load_configuration
from sightline.errors import ConfigurationError


def test_the_defaults_written_into_a_recipe_load_as_the_defaults() -> None:
    written = default_configuration(EquipmentConfiguration)
    assert load_configuration(EquipmentConfiguration, written) == EquipmentConfiguration()


def test_numbers_written_as_text_are_taken() -> None:
    loaded = load_configuration(
        EquipmentConfiguration,
        {"sampleIntervalS": "0.25", "link": {"opcua": {"requestTimeoutS": "3"}}},
    )
    assert (loaded.sample_interval_s, loaded.link.opcua.request_timeout_s) == (0.25, 3.0)


@pytest.mark.parametrize(
    ("values", "pointer", "found"),
    [
        ({"sampleIntervalS": 0}, "/sampleIntervalS", "0"),
        ({"heartbeatIntervalMs": "often"}, "/heartbeatIntervalMs", "'often'"),
        ({"verdictMarginMs": -1}, "/verdictMarginMs", "-1"),
        ({"link": {"opcua": {"endpoint": "http://plc"}}}, "/link/opcua/endpoint", "'http://plc'"),
        ({"link": {"modbus": {"endpoint": "plc:502"}}}, "/link/modbus/endpoint", "'plc:502'"),
        ({"link": {"kind": "profinet"}}, "/link/kind", "'profinet'"),
        ({"link": {"modbus": {"wordOrder": "middle"}}}, "/link/modbus/wordOrder", "'middle'"),
        (
            {"link": {"modbus": {"registers": {"outcomes": 70_000}}}},
            "/link/modbus/registers/outcomes",
            "70000",
        ),
        (
            {"link": {"opcua": {"nodes": {"partCounter": "Counter"}}}},
            "/link/opcua/nodes/partCounter",
            "'Counter'",
        ),
        ({"lineStopAfterMissed": -1}, "/lineStopAfterMissed", "-1"),
        (
            {"link": {"kind": "modbus"}, "tags": [{"tag": "speed", "nodeId": "ns=1;s=A"}]},
            "/",
            "tag speed has no register, which a link of kind modbus needs",
        ),
        ({"tags": [{"tag": "speed", "register": {"address": 1}}]}, "/", "speed has no nodeId"),
        ({"tags": [{"tag": "a", "nodeId": "A"}]}, "/tags/0/nodeId", "'A'"),
        (
            {"tags": [{"tag": "a", "minValue": 2, "maxValue": 1}]},
            "/tags/0",
            "minValue 2.0 is above",
        ),
        ({"tags": [{"tag": "", "nodeId": "ns=1;s=A"}]}, "/tags/0/tag", "''"),
        ({"colour": "red"}, "/", "colour"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(
    values: dict[str, Any], pointer: str, found: str
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load_configuration(EquipmentConfiguration, values)
    assert f" at {pointer}: " in str(refusal.value)
    assert found in str(refusal.value)


def test_a_deployment_that_names_the_kind_and_its_endpoint_is_enough_for_modbus() -> None:
    merged = default_configuration(EquipmentConfiguration)
    merged["link"]["kind"] = "modbus"
    merged["link"]["modbus"]["endpoint"] = "modbus-tcp://plc.line-1:502"
    loaded = load_configuration(EquipmentConfiguration, merged)
    assert loaded.link.endpoint == "modbus-tcp://plc.line-1:502"
    assert loaded.link.active is loaded.link.modbus


def test_tags_are_a_map_by_tag_that_takes_the_place_of_the_defaults() -> None:
    written = {"oil": {"nodeId": "ns=1;s=Oil", "unit": "bar"}, "speed": {"nodeId": "ns=1;s=Speed"}}
    loaded = load_configuration(EquipmentConfiguration, {"tags": written})
    assert [(tag.tag, tag.unit) for tag in loaded.tags] == [("oil", "bar"), ("speed", "")]
    as_list = [{"tag": name, **entry} for name, entry in written.items()]
    assert load_configuration(EquipmentConfiguration, {"tags": as_list}) == loaded


def test_tags_as_a_list_are_read_with_a_warning_and_nothing_else_warns(
    caplog: pytest.LogCaptureFixture,
) -> None:
    EquipmentConfiguration()
    load_configuration(EquipmentConfiguration, {"tags": {"oil": {"nodeId": "ns=1;s=Oil"}}})
    assert caplog.messages == []
    load_configuration(EquipmentConfiguration, {"tags": [{"tag": "oil", "nodeId": "ns=1;s=Oil"}]})
    assert ["write a map by tag" in message for message in caplog.messages] == [True]


@pytest.mark.parametrize(
    ("entry", "pointer"),
    [({"nodeId": "A"}, "/tags/oil/nodeId"), ({"minValue": 2, "maxValue": 1}, "/tags/oil")],
)
def test_a_wrong_entry_of_the_map_is_refused_with_its_tag(entry: Any, pointer: str) -> None:
    good = {"nodeId": "ns=1;s=Good"}
    with pytest.raises(ConfigurationError) as refusal:
        load_configuration(EquipmentConfiguration, {"tags": {"good": good, "oil": entry}})
    assert f" at {pointer}: " in str(refusal.value)


def as_text(value: Any) -> Any:
    """Every scalar as text, as Nucleus Lite hands it over; a recipe has no nulls."""
    if isinstance(value, dict):
        return {key: as_text(entry) for key, entry in value.items() if entry is not None}
    if isinstance(value, list | tuple):
        return [as_text(entry) for entry in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_the_whole_configuration_may_be_text() -> None:
    written = as_text(default_configuration(EquipmentConfiguration))
    assert load_configuration(EquipmentConfiguration, written) == EquipmentConfiguration()
