"""One machine's way from batches of readings to enriched, scored states."""

from collections import deque
from collections.abc import Sequence

from sightline.messaging.codec import MAX_MESSAGE_BYTES, encode_of_any_size
from sightline.messaging.messages import MachineSamples, MachineState, MachineValue
from telemetry.configuration import TelemetryConfiguration
from telemetry.consolidation import BatchConsolidator, ConsolidatedReading, ReadingInterval
from telemetry.enrichment import derive_status, enrich_reading
from telemetry.outlier_scoring import OutlierScorer, OutlierScores

MAX_REMEMBERED_BATCHES = 256
MAX_VALUE_BYTES = MAX_MESSAGE_BYTES // 2  # a text longer than that is no reading


class MachineStateBuilder:
    """Takes each batch once, and makes a state of each interval."""

    def __init__(self, configuration: TelemetryConfiguration) -> None:
        self._configuration = configuration
        self._profiles = {profile.tag: profile for profile in configuration.profiles}
        self._consolidator = BatchConsolidator(configuration.interval_s)
        self._scorer = OutlierScorer(configuration.outliers, configuration.profiles)
        self._last_sequence: int | None = None
        self._known_batches: deque[tuple[int, int]] = deque(maxlen=MAX_REMEMBERED_BATCHES)
        self._sequence = 0
        self.batches_lost = 0
        self.values_omitted = 0

    def add_batch(self, batch: MachineSamples) -> MachineState | None:
        """Take a batch once; returns the state that it completes."""
        if self._check_repeated(batch):
            return None
        interval = self._consolidator.add_batch(batch)
        return None if interval is None else self._build_state(batch, interval)

    def _check_repeated(self, batch: MachineSamples) -> bool:
        """Known by number and time: of a sender that was started again both may be lower than before."""
        known = (batch.sequence, batch.sampled_utc_ns)
        if known in self._known_batches:
            return True
        self._known_batches.append(known)
        last = self._last_sequence
        if last is not None and batch.sequence > last:
            self.batches_lost += batch.sequence - last - 1
        self._last_sequence = batch.sequence
        return False

    def _build_state(self, batch: MachineSamples, interval: ReadingInterval) -> MachineState:
        status = derive_status(interval.readings, self._configuration)
        numbers = {r.tag: r.value for r in interval.readings if isinstance(r.value, float)}
        scores = self._scorer.score(status, numbers)
        self._sequence += 1
        return MachineState(
            station_id=batch.station_id,
            equipment_id=batch.equipment_id,
            line_id=batch.line_id,
            state_utc_ns=interval.ended_utc_ns,
            status=status,
            values=self._select_values(interval.readings, scores),
            outlier_score=round(scores.score, 3),
            outlier_cause=scores.cause,
            sequence=self._sequence,
        )

    def _select_values(
        self, readings: Sequence[ConsolidatedReading], scores: OutlierScores
    ) -> tuple[MachineValue, ...]:
        """Those that fit a message, first what records tell of the line: it is on the first page."""
        values = [
            enrich_reading(reading, self._profiles, scores.by_tag.get(reading.tag, 0.0))
            for reading in readings
        ]
        small = [v for v in values if len(encode_of_any_size(v)) <= MAX_VALUE_BYTES]
        self.values_omitted += len(values) - len(small)
        line_tags = (self._configuration.belt_speed_tag, self._configuration.running_tag)
        return tuple(sorted(small, key=lambda value: value.tag not in line_tags))


class TelemetryFunction:
    """All machines of a station."""

    def __init__(self, configuration: TelemetryConfiguration) -> None:
        self._configuration = configuration
        self._machines: dict[str, MachineStateBuilder] = {}

    @property
    def batches_lost(self) -> int:
        """Batches that the numbering says were sent and never came."""
        return sum(machine.batches_lost for machine in self._machines.values())

    @property
    def values_omitted(self) -> int:
        """Values that are too long for a message."""
        return sum(machine.values_omitted for machine in self._machines.values())

    def handle_batch(self, batch: MachineSamples) -> MachineState | None:
        """Take a machine's batch; returns the state that it completes."""
        if batch.equipment_id not in self._machines:
            self._machines[batch.equipment_id] = MachineStateBuilder(self._configuration)
        return self._machines[batch.equipment_id].add_batch(batch)
