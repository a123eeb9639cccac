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
        {"sampleIntervalS": "0.25", "link": {"kind": "opcua", "requestTimeoutS": "3"}},
    )
    assert (loaded.sample_interval_s, loaded.link.request_timeout_s) == (0.25, 3.0)


@pytest.mark.parametrize(
    ("values", "pointer", "found"),
    [
        ({"sampleIntervalS": 0}, "/sampleIntervalS", "0"),
        ({"heartbeatIntervalMs": "often"}, "/heartbeatIntervalMs", "'often'"),
        ({"verdictMarginMs": -1}, "/verdictMarginMs", "-1"),
        ({"link": {"kind": "opcua", "endpoint": "http://plc"}}, "/link/endpoint", "'http://plc'"),
        ({"link": {"kind": "modbus"}}, "/link/kind", "'modbus'"),
        (
            {"link": {"kind": "opcua", "nodes": {"partCounter": "Counter"}}},
            "/link/nodes/partCounter",
            "'Counter'",
        ),
        ({"tags": [{"tag": "a", "nodeId": "ns=1;s=A"}, {"tag": "b"}]}, "/tags/1", "'b'"),
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
