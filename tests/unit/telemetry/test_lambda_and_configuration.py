"""The function as a Lambda, and its configuration refused at the door."""

import base64
import sys
import types
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from sightline.configuration import default_configuration, load_configuration
from sightline.errors import ConfigurationError, MessageError
from sightline.messaging.codec import decode
from sightline.messaging.messages import MachineState
from sightline.messaging.topics import (
    MACHINE_STATE,
    MACHINE_STATE_TO_CLOUD,
    STATION_HEALTH,
    TELEMETRY,
    MessageStream,
)
from telemetry import lambda_outlet
from telemetry.configuration import TelemetryConfiguration
from telemetry.lambda_function import CONFIGURATION_VARIABLE, lambda_handler, load_deployed_function
from tests.unit.telemetry.telemetry_kit import batch, sample

ARN = "arn:aws:lambda:us-east-1:123456789012:function:sightline-telemetry:1"


class TakingRuntime:
    """Modules such as the Lambda runtime has, and what was published through them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, arn: str | None = ARN) -> None:
        self.told: list[tuple[str, bytes]] = []
        self.refuses = False

        class IPCException(Exception):
            pass

        def post_work(client: object, arn: str, payload: bytes, context: bytes, kind: str) -> str:
            if self.refuses:
                raise IPCException("No subscription exists")
            subject = msgspec.json.decode(base64.b64decode(context))["custom"]["subject"]
            self.told.append((subject, payload))
            return "invocation-1"

        client = type("IPCClient", (), {"__init__": lambda *_, **__: None, "post_work": post_work})
        self._put(
            monkeypatch,
            "greengrass_common.env_vars",
            MY_FUNCTION_ARN=arn,
            ROUTER_FUNCTION_ARN="arn:aws:lambda:::function:GGRouter",
            SHADOW_FUNCTION_ARN="arn:aws:lambda:::function:GGShadowService",
        )
        self._put(monkeypatch, "greengrass_common.function_arn_fields", FunctionArnFields=object)
        self._put(
            monkeypatch,
            "greengrass_ipc_python_sdk.ipc_client",
            IPCClient=client,
            IPCException=IPCException,
        )
        if arn is not None:
            monkeypatch.setenv("MY_FUNCTION_ARN", arn)

    def _put(self, monkeypatch: pytest.MonkeyPatch, name: str, **content: object) -> None:
        package = types.ModuleType(name.split(".")[0])
        package.__path__ = []
        monkeypatch.setitem(sys.modules, package.__name__, package)
        module = types.ModuleType(name)
        module.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, module)
        if package.__name__ == "greengrass_common":
            self._packaged = {**getattr(self, "_packaged", {}), name.split(".")[1]: module}
            package.__dict__.update(self._packaged)

    def messages_on(self, stream: MessageStream) -> list[Any]:
        """What was published on a stream."""
        topic = stream.build_topic("test-thing")
        return [decode(stream.message, payload) for told, payload in self.told if told == topic]


@pytest.fixture(autouse=True)
def _a_fresh_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def forget() -> None:
        load_deployed_function.cache_clear()
        for name in [name for name in sys.modules if name.split(".")[0] == "greengrasssdk"]:
            del sys.modules[name]

    forget()
    monkeypatch.delenv("MY_FUNCTION_ARN", raising=False)
    monkeypatch.setenv("AWS_IOT_THING_NAME", "test-thing")
    yield
    forget()


def test_the_lambda_takes_objects_and_bytes_tells_states_and_returns_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runtime = TakingRuntime(monkeypatch)
    monkeypatch.setenv(CONFIGURATION_VARIABLE, '{"intervalS": 0.5}')
    first, second, third = (batch(n, sample("vibration", 1.0)) for n in range(3))
    assert lambda_handler(msgspec.to_builtins(first), None) is None
    told = [
        lambda_handler(msgspec.to_builtins(second), None),
        lambda_handler(msgspec.json.encode(third), None),
    ]
    states = [msgspec.convert(event, MachineState) for event in told]
    assert [state.sequence for state in states] == [1, 2]
    assert runtime.messages_on(MACHINE_STATE) == states
    assert runtime.messages_on(MACHINE_STATE_TO_CLOUD) == states[:1]  # at most one a second
    (health,) = runtime.messages_on(STATION_HEALTH)
    assert (health.component, health.ready) == (TELEMETRY, True)


@pytest.mark.parametrize(
    ("outliers", "level"),
    [('{"leastReadings": 30}', "warning"), ('{"leastReadings": 30, "minReadings": 20}', "fault")],
)
def test_the_lambda_reads_old_keys_and_says_so_in_its_health(
    monkeypatch: pytest.MonkeyPatch, outliers: str, level: str
) -> None:
    runtime = TakingRuntime(monkeypatch)
    monkeypatch.setenv(CONFIGURATION_VARIABLE, f'{{"outliers": {outliers}}}')
    lambda_handler(batch(0), None)
    (health,) = runtime.messages_on(STATION_HEALTH)
    (fault,) = health.faults
    assert (fault.code, fault.level) == ("configuration-old-keys", level)
    assert "/outliers/leastReadings = 30" in fault.text
    assert "environment variable TELEMETRY_CONFIGURATION" in fault.text
    function = load_deployed_function().function
    assert function._configuration.outliers.min_readings == 30


def test_what_the_runtime_refuses_is_a_fault_in_words_and_the_handler_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runtime = TakingRuntime(monkeypatch)
    monkeypatch.setenv(CONFIGURATION_VARIABLE, '{"intervalS": 0.5}')
    monkeypatch.setattr(lambda_outlet, "HEALTH_INTERVAL_NS", 0)
    runtime.refuses = True
    lambda_handler(batch(0), None)
    assert lambda_handler(batch(1), None) is not None
    runtime.refuses = False
    lambda_handler(batch(2, at_s=0.6), None)
    (health,) = runtime.messages_on(STATION_HEALTH)
    assert health.counters["MachineState_not_published"] == 1
    assert "No subscription exists" in health.faults[0].text


def test_outside_a_lambda_runtime_the_handler_refuses_to_pretend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ConfigurationError, match=r"MY_FUNCTION_ARN is not set.*in silence"):
        lambda_handler(batch(0), None)
    monkeypatch.setenv("MY_FUNCTION_ARN", ARN)
    with pytest.raises(
        ConfigurationError, match=r"Lambda runtime are not there.*greengrass_common"
    ):
        lambda_handler(batch(0), None)
    TakingRuntime(monkeypatch, arn=None)
    with pytest.raises(ConfigurationError, match="MY_FUNCTION_ARN is not set"):
        lambda_handler(batch(0), None)  # the runtime's own word counts: the SDK goes by it


def test_the_lambda_refuses_what_is_no_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    TakingRuntime(monkeypatch)
    with pytest.raises(MessageError, match="MachineSamples"):
        lambda_handler({"hello": "world"}, None)


@pytest.mark.parametrize("text", ["{", "[]", "3"])
def test_a_lambda_environment_that_is_no_object_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv(CONFIGURATION_VARIABLE, text)
    with pytest.raises(ConfigurationError, match=r"TELEMETRY_CONFIGURATION.*a JSON object"):
        load_deployed_function()


def test_the_defaults_written_into_a_recipe_load_as_the_defaults() -> None:
    written = default_configuration(TelemetryConfiguration)
    assert load_configuration(TelemetryConfiguration, written) == TelemetryConfiguration()


def test_profiles_are_a_map_by_tag_that_takes_the_place_of_the_defaults() -> None:
    written: dict[str, dict[str, Any]] = {
        "oil": {"normalHigh": 3},
        "speed": {"related": ["oil"]},
    }
    loaded = load_configuration(TelemetryConfiguration, {"profiles": written})
    assert [profile.tag for profile in loaded.profiles] == ["oil", "speed"]
    as_list = [{"tag": name, **entry} for name, entry in written.items()]
    assert load_configuration(TelemetryConfiguration, {"profiles": as_list}) == loaded


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
            {"outliers": {"window": 8, "minReadings": 20}},
            "/outliers",
            "minReadings 20 is more than the window of 8 holds",
        ),
        ({"outliers": {"alarm": 4}}, "/outliers", "alarm"),
        (
            {"outliers": {"intervalsBetweenFalseAlarms": 5}},
            "/outliers/intervalsBetweenFalseAlarms",
            "5",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(
    values: dict[str, Any], pointer: str, found: str
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load_configuration(TelemetryConfiguration, values)
    assert f" at {pointer}: " in str(refusal.value)
    assert found in str(refusal.value)
