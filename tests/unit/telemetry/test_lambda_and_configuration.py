"""The function as a Lambda, and its configuration refused at the door."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from sightline.configuration import default_configuration, load_configuration
from sightline.errors import ConfigurationError, MessageError
from sightline.messages import MachineState
from telemetry.configuration import TelemetryConfiguration
from telemetry.lambda_function import CONFIGURATION_VARIABLE, deployed_function, lambda_handler
from tests.unit.telemetry.making import batch, sample


@pytest.fixture(autouse=True)
def _a_fresh_process() -> Iterator[None]:
    deployed_function.cache_clear()
    yield
    deployed_function.cache_clear()


def test_the_lambda_takes_objects_and_bytes_and_returns_objects(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(CONFIGURATION_VARIABLE, '{"intervalS": 0.5}')
    first, second, third = (batch(n, sample("vibration", 1.0)) for n in range(3))
    assert lambda_handler(msgspec.to_builtins(first), None) is None
    told = [
        lambda_handler(msgspec.to_builtins(second), None),
        lambda_handler(msgspec.json.encode(third), None),
    ]
    states = [msgspec.convert(event, MachineState) for event in told]
    assert [state.sequence for state in states] == [1, 2]


def test_the_lambda_refuses_what_is_no_batch() -> None:
    with pytest.raises(MessageError, match="MachineSamples"):
        lambda_handler({"hello": "world"}, None)


@pytest.mark.parametrize("text", ["{", "[]", "3"])
def test_a_lambda_environment_that_is_no_object_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv(CONFIGURATION_VARIABLE, text)
    with pytest.raises(ConfigurationError, match=r"TELEMETRY_CONFIGURATION.*a JSON object"):
        deployed_function()


def test_the_defaults_written_into_a_recipe_load_as_the_defaults() -> None:
    written = default_configuration(TelemetryConfiguration)
    assert load_configuration(TelemetryConfiguration, written) == TelemetryConfiguration()


@pytest.mark.parametrize(
    ("values", "pointer", "found"),
    [
        ({"intervalS": 0}, "/intervalS", "0"),
        ({"intervalS": "soon"}, "/intervalS", "'soon'"),
        ({"stoppedBelowMps": -1}, "/stoppedBelowMps", "-1"),
        ({"profiles": [{"tag": "a"}, {"tag": ""}]}, "/profiles/1/tag", "''"),
        ({"profiles": [{"tag": "a", "related": ["b", ""]}]}, "/profiles/0/related/1", "''"),
        (
            {"profiles": [{"tag": "a", "normalLow": 5, "normalHigh": 1}]},
            "/profiles/0",
            "normalLow 5.0 is above normalHigh 1.0",
        ),
        ({"outliers": {"window": 4}}, "/outliers/window", "4"),
        (
            {"outliers": {"window": 8, "leastReadings": 20}},
            "/outliers",
            "leastReadings 20 is more than the window of 8 holds",
        ),
        ({"outliers": {"alarm": 4}}, "/outliers", "alarm"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(
    values: dict[str, Any], pointer: str, found: str
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load_configuration(TelemetryConfiguration, values)
    assert f" at {pointer}: " in str(refusal.value)
    assert found in str(refusal.value)
