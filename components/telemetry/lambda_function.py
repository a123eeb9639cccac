"""The edge Lambda: batches of readings in, one enriched state an interval out.

As a Greengrass Lambda it is long-lived (pinned), and its configuration is the environment variable
TELEMETRY_CONFIGURATION (JSON); as a generic component, `host` calls the same code.
"""

import functools
import os
from typing import Any

import msgspec

from sightline.codec import GREATEST_MESSAGE_BYTES, decode, encode_of_any_size
from sightline.configuration import load_configuration
from sightline.errors import ConfigurationError
from sightline.messages import MachineSamples, MachineState
from telemetry.configuration import TelemetryConfiguration
from telemetry.consolidate import Consolidator, Interval, Reading
from telemetry.enrich import NO_PROFILE, enriched, status_of
from telemetry.outliers import OutlierScorer

CONFIGURATION_VARIABLE = "TELEMETRY_CONFIGURATION"


class Machine:
    """One machine's way from batches to states."""

    def __init__(self, configuration: TelemetryConfiguration) -> None:
        self._configuration = configuration
        self._profiles = {profile.tag: profile for profile in configuration.profiles}
        self._consolidator = Consolidator(configuration.interval_s)
        self._scorer = OutlierScorer(configuration.outliers)
        self._last: MachineSamples | None = None
        self._sequence = 0
        self.batches_lost = 0
        self.values_omitted = 0

    def take(self, batch: MachineSamples) -> MachineState | None:
        """Take a batch once; returns the state that it completes."""
        if self._is_repeated(batch):
            return None
        interval = self._consolidator.add(batch)
        return None if interval is None else self._state(batch, interval)

    def _is_repeated(self, batch: MachineSamples) -> bool:
        last = self._last
        if last is not None and batch.sequence <= last.sequence:
            if batch.sampled_utc_ns <= last.sampled_utc_ns:
                return True
        elif last is not None:
            self.batches_lost += batch.sequence - last.sequence - 1
        self._last = batch  # a lower number with a later time: the sender was started again
        return False

    def _state(self, batch: MachineSamples, interval: Interval) -> MachineState:
        status = status_of(interval.readings, self._configuration)
        self._scorer.begin(status)
        values = tuple(
            enriched(reading, self._profiles, self._score(reading)) for reading in interval.readings
        )
        worst = max(values, key=lambda value: value.outlier_score, default=None)
        score = worst.outlier_score if worst is not None else 0.0
        alarming = score >= self._configuration.outliers.alarm_score
        self._sequence += 1
        state = MachineState(
            station_id=batch.station_id,
            equipment_id=batch.equipment_id,
            line_id=batch.line_id,
            state_utc_ns=interval.ended_utc_ns,
            status=status,
            values=values,
            outlier_score=score,
            outlier_cause=worst.tag if worst is not None and alarming else "",
            sequence=self._sequence,
        )
        return self._fitted(state)

    def _fitted(self, state: MachineState) -> MachineState:
        """The state without its most usual values, as far as it is too large for a message."""
        while state.values and len(encode_of_any_size(state)) > GREATEST_MESSAGE_BYTES:
            least = min(reversed(state.values), key=lambda value: value.outlier_score)
            kept = tuple(value for value in state.values if value is not least)
            state = msgspec.structs.replace(state, values=kept)
            self.values_omitted += 1
        return state

    def _score(self, reading: Reading) -> float:
        profile = self._profiles.get(reading.tag, NO_PROFILE)
        if not profile.score_outliers or not isinstance(reading.value, float):
            return 0.0
        return self._scorer.score(reading.tag, reading.value)


class TelemetryFunction:
    """All machines of a station."""

    def __init__(self, configuration: TelemetryConfiguration) -> None:
        self._configuration = configuration
        self._machines: dict[str, Machine] = {}

    @property
    def batches_lost(self) -> int:
        """Batches that the numbering says were sent and never came."""
        return sum(machine.batches_lost for machine in self._machines.values())

    @property
    def values_omitted(self) -> int:
        """Values that found no room in their state."""
        return sum(machine.values_omitted for machine in self._machines.values())

    def take(self, batch: MachineSamples) -> MachineState | None:
        """Take a machine's batch; returns the state that it completes."""
        if batch.equipment_id not in self._machines:
            self._machines[batch.equipment_id] = Machine(self._configuration)
        return self._machines[batch.equipment_id].take(batch)


@functools.cache
def deployed_function() -> TelemetryFunction:
    """The function as this Lambda's environment configures it; made once."""
    text = os.environ.get(CONFIGURATION_VARIABLE, "{}")
    try:
        values = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise ConfigurationError(
            f"{CONFIGURATION_VARIABLE}: {error}; found {text[:80]!r}; a JSON object is allowed"
        ) from error
    return TelemetryFunction(load_configuration(TelemetryConfiguration, values))


def lambda_handler(event: Any, context: Any) -> dict[str, Any] | None:
    """Take a MachineSamples event (JSON object or its bytes); returns a MachineState object or None."""
    payload = event if isinstance(event, bytes) else msgspec.json.encode(event)
    state = deployed_function().take(decode(MachineSamples, payload))
    return None if state is None else msgspec.to_builtins(state)
