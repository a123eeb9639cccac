"""A model's trial in the shadow: it sees a sample of the parts beside the model in force, and judges none.

The component's main thread offers parts; the trial takes one when it is done with the one before.
"""

import queue
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from inference.configuration import ShadowConfiguration
from inference.prediction.part_inference import PartPredictions
from sightline.errors import ModelError
from sightline.messaging.messages import Detection, Part, PartCaptured, PartJudged, Verdict
from sightline.vision.model_outputs import (
    DecodedDetections,
    DetectionOverflow,
    InferenceTimings,
    ServingModel,
    decode_with_overflows,
    run_model,
)
from sightline.vision.part_judging import ReasonedVerdict
from sightline.vision.preprocess import FramePyramid

SAMPLE_POLL_S = 0.1
MAX_DESCRIBED_DIFFERENCES = 3
RejudgeFunction = Callable[[Sequence[Detection], Sequence[DetectionOverflow]], ReasonedVerdict]


@dataclass(frozen=True)
class TrialSample:
    """A part that was judged: its frames, what was found, and how detections become its verdict.

    `available_ms`: the time that all models together had until the gate, with so many images at once.
    """

    part: Part
    frames: Mapping[str, FramePyramid]
    detections: tuple[Detection, ...]
    verdict: Verdict
    rejudge: RejudgeFunction
    min_score: float
    available_ms: float
    images_at_once: int = 1


def build_trial_sample(
    captured: PartCaptured,
    examined: PartPredictions,
    verdict: PartJudged,
    rejudge: RejudgeFunction,
    min_score: float,
) -> TrialSample:
    """A part as the trial sees it; `rejudge` judges it again from other detections."""
    used_ms = verdict.timings.queue_ms + examined.timings.preprocess + examined.timings.decode
    whole_ms = (captured.deadline_monotonic_ns - captured.captured_monotonic_ns) / 1e6
    return TrialSample(
        captured.part,
        examined.frames,
        examined.detections,
        verdict.verdict,
        rejudge,
        min_score,
        whole_ms - used_ms,
        examined.images_at_once,
    )


@dataclass(frozen=True)
class TrialDifference:
    """How far two models differ on a part; `score` is the greatest difference of any label's best score."""

    part: Part
    verdict: Verdict
    shadow_verdict: Verdict
    score: float
    location: str

    def __str__(self) -> str:
        return (
            f"part {self.part.epoch}/{self.part.part_number}: {self.verdict} becomes "
            f"{self.shadow_verdict}, scores differ by {self.score:.2f} ({self.location})"
        )


@dataclass
class TrialReport:
    """What a trial found so far."""

    parts: int = 0
    verdicts_differ: int = 0
    max_difference: TrialDifference | None = None
    differences: list[TrialDifference] = field(default_factory=list)
    max_left_ms: float = float("-inf")

    def add(self, difference: TrialDifference, left_ms: float) -> None:
        """Take in one more part, and what this model would have left of the time until the gate."""
        self.parts += 1
        self.max_left_ms = max(self.max_left_ms, left_ms)
        if self.max_difference is None or difference.score > self.max_difference.score:
            self.max_difference = difference
        if difference.verdict != difference.shadow_verdict:
            self.verdicts_differ += 1
            self.differences.append(difference)

    def describe(self) -> str:
        """For people: parts compared, and where the two differ."""
        if self.max_difference is None:
            return "no part passed on which to compare it"
        text = f"{self.parts} parts compared, {self.verdicts_differ} with another verdict"
        told = self.differences[:MAX_DESCRIBED_DIFFERENCES] or [self.max_difference]
        return f"{text}; " + "; ".join(str(difference) for difference in told)


class ShadowTrial:
    """One candidate beside the model that it is to replace."""

    def __init__(
        self, candidate: ServingModel, replaces: str, configuration: ShadowConfiguration
    ) -> None:
        self._candidate = candidate
        self._replaces = replaces
        self._configuration = configuration
        self._samples_queue: queue.Queue[TrialSample] = queue.Queue(maxsize=1)

    def accepts_sample(self) -> bool:
        """Whether a part offered now would be taken."""
        return not self._samples_queue.full()

    def offer_sample(self, sample: TrialSample) -> None:
        """Hand over a part that was judged; never blocks."""
        if self.accepts_sample():
            self._samples_queue.put_nowait(sample)

    def run(self, abandoned: Callable[[], bool]) -> TrialReport:
        """Compare until there were enough parts, or none came for long; ModelError if it cannot serve."""
        report = TrialReport()
        for sample in self._read_samples(abandoned):
            timings = InferenceTimings()
            difference = self._compare_sample(sample, timings)
            report.add(difference, sample.available_ms - timings.model / sample.images_at_once)
            if report.parts == self._configuration.parts:
                break
        self._check_report(report)
        return report

    def _read_samples(self, abandoned: Callable[[], bool]) -> Iterator[TrialSample]:
        last = time.monotonic()
        while not abandoned() and time.monotonic() - last < self._configuration.max_wait_s:
            try:
                sample = self._samples_queue.get(timeout=SAMPLE_POLL_S)
            except queue.Empty:
                continue
            yield sample
            last = time.monotonic()

    def _compare_sample(self, sample: TrialSample, timings: InferenceTimings) -> TrialDifference:
        answers = [
            run_model(self._candidate, pyramid, camera, timings)
            for camera, pyramid in sample.frames.items()
        ]
        return compare_models(
            sample, self._replaces, decode_with_overflows(answers, sample.min_score)
        )

    def _check_report(self, report: TrialReport) -> None:
        if report.parts and report.max_left_ms < 0:
            raise ModelError(
                f"model {self._candidate.name} is too slow: at its fastest it would have "
                f"judged {-report.max_left_ms:.0f} ms after the gate's deadline"
            )
        greatest = self._configuration.max_differing_share
        if report.verdicts_differ > greatest * report.parts:
            raise ModelError(
                f"model {self._candidate.name} differs too much from the one in force "
                f"(allowed share {greatest}): {report.describe()}"
            )


def compare_models(
    sample: TrialSample, replaces: str, reading: DecodedDetections
) -> TrialDifference:
    """How the part would have fared with this reading in place of that of the model `replaces`."""
    new = reading.detections
    others = [found for found in sample.detections if found.model != replaces]
    old = [found for found in sample.detections if found.model == replaces]
    ranked = sorted([*others, *new], key=lambda found: -found.score)
    judgement = sample.rejudge(ranked, reading.overflows)
    before, after = _find_best_scores(old), _find_best_scores(new)
    offs = {key: abs(before.get(key, 0.0) - after.get(key, 0.0)) for key in {*before, *after}}
    where = max(offs, key=lambda key: offs[key], default=("nothing", "any camera"))
    return TrialDifference(
        sample.part,
        sample.verdict,
        judgement.verdict,
        round(offs.get(where, 0.0), 4),
        f"{where[0].replace('_', ' ')} on {where[1]}",
    )


def _find_best_scores(found: Sequence[Detection]) -> dict[tuple[str, str], float]:
    best: dict[tuple[str, str], float] = {}
    for detection in found:
        key = (detection.label, detection.camera)
        best[key] = max(best.get(key, 0.0), detection.score)
    return best
