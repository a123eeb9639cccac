"""A model's trial in the shadow: it sees a sample of the parts beside the model in force, and judges none.

The component's main thread offers parts; the trial takes one when it is done with the one before.
"""

import queue
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from inference.answers import Crowd, Reading, ServingModel, Timings, ask, read_with_crowds
from inference.configuration import ShadowConfiguration
from inference.examiner import Examined
from inference.policy import Judgement
from inference.preprocess import FramePyramid
from sightline.errors import ModelError
from sightline.messages import Detection, Part, PartCaptured, PartJudged, Verdict

LOOK_S = 0.1
TOLD_DIFFERENCES = 3
Rejudge = Callable[[Sequence[Detection], Sequence[Crowd]], Judgement]


@dataclass(frozen=True)
class Sample:
    """A part that was judged: its frames, what was found, and how detections become its verdict.

    `available_ms`: the time that all models together had until the gate, with so many images at once.
    """

    part: Part
    frames: Mapping[str, FramePyramid]
    detections: tuple[Detection, ...]
    verdict: Verdict
    rejudge: Rejudge
    lowest_score: float
    available_ms: float
    images_at_once: int = 1


def sample_of(
    captured: PartCaptured,
    examined: Examined,
    verdict: PartJudged,
    rejudge: Rejudge,
    lowest_score: float,
) -> Sample:
    """A part as the trial sees it; `rejudge` judges it again from other detections."""
    used_ms = verdict.timings.queue_ms + examined.timings.preprocess + examined.timings.decode
    whole_ms = (captured.deadline_monotonic_ns - captured.captured_monotonic_ns) / 1e6
    return Sample(
        captured.part,
        examined.frames,
        examined.detections,
        verdict.verdict,
        rejudge,
        lowest_score,
        whole_ms - used_ms,
        examined.images_at_once,
    )


@dataclass(frozen=True)
class Difference:
    """How far two models differ on a part; `score` is the greatest difference of any label's best score."""

    part: Part
    verdict: Verdict
    shadow_verdict: Verdict
    score: float
    where: str

    def __str__(self) -> str:
        return (
            f"part {self.part.epoch}/{self.part.part_number}: {self.verdict} becomes "
            f"{self.shadow_verdict}, scores differ by {self.score:.2f} ({self.where})"
        )


@dataclass
class TrialReport:
    """What a trial found so far."""

    parts: int = 0
    verdicts_differ: int = 0
    greatest: Difference | None = None
    differences: list[Difference] = field(default_factory=list)
    most_left_ms: float = float("-inf")

    def add(self, difference: Difference, left_ms: float) -> None:
        """Take in one more part, and what this model would have left of the time until the gate."""
        self.parts += 1
        self.most_left_ms = max(self.most_left_ms, left_ms)
        if self.greatest is None or difference.score > self.greatest.score:
            self.greatest = difference
        if difference.verdict != difference.shadow_verdict:
            self.verdicts_differ += 1
            self.differences.append(difference)

    def words(self) -> str:
        """For people: parts compared, and where the two differ."""
        if self.greatest is None:
            return "no part came to compare it on"
        text = f"{self.parts} parts in the shadow, {self.verdicts_differ} judged otherwise"
        told = self.differences[:TOLD_DIFFERENCES] or [self.greatest]
        return f"{text}; " + "; ".join(str(difference) for difference in told)


class Trial:
    """One candidate beside the model that it is to replace."""

    def __init__(
        self, candidate: ServingModel, replaces: str, configuration: ShadowConfiguration
    ) -> None:
        self._candidate = candidate
        self._replaces = replaces
        self._configuration = configuration
        self._offered: queue.Queue[Sample] = queue.Queue(maxsize=1)

    def wants(self) -> bool:
        """Whether a part offered now would be taken."""
        return not self._offered.full()

    def offer(self, sample: Sample) -> None:
        """Hand over a part that was judged; never blocks."""
        if self.wants():
            self._offered.put_nowait(sample)

    def run(self, abandoned: Callable[[], bool]) -> TrialReport:
        """Compare until there were enough parts, or none came for long; ModelError if it cannot serve."""
        report = TrialReport()
        for sample in self._samples(abandoned):
            timings = Timings()
            difference = self._compare(sample, timings)
            report.add(difference, sample.available_ms - timings.model / sample.images_at_once)
            if report.parts == self._configuration.parts:
                break
        self._refuse_if_unfit(report)
        return report

    def _samples(self, abandoned: Callable[[], bool]) -> Iterator[Sample]:
        last = time.monotonic()
        while not abandoned() and time.monotonic() - last < self._configuration.waits_s:
            try:
                sample = self._offered.get(timeout=LOOK_S)
            except queue.Empty:
                continue
            yield sample
            last = time.monotonic()

    def _compare(self, sample: Sample, timings: Timings) -> Difference:
        answers = [
            ask(self._candidate, pyramid, camera, timings)
            for camera, pyramid in sample.frames.items()
        ]
        return compare(sample, self._replaces, read_with_crowds(answers, sample.lowest_score))

    def _refuse_if_unfit(self, report: TrialReport) -> None:
        if report.parts and report.most_left_ms < 0:
            raise ModelError(
                f"model {self._candidate.contract.name} is too slow: at its fastest it would have "
                f"judged {-report.most_left_ms:.0f} ms after the gate's deadline"
            )
        greatest = self._configuration.greatest_differing_share
        if report.verdicts_differ > greatest * report.parts:
            raise ModelError(
                f"model {self._candidate.contract.name} differs too much from the one in force "
                f"(allowed share {greatest}): {report.words()}"
            )


def compare(sample: Sample, replaces: str, reading: Reading) -> Difference:
    """How the part would have fared with this reading in place of that of the model `replaces`."""
    new = reading.detections
    others = [found for found in sample.detections if found.model != replaces]
    old = [found for found in sample.detections if found.model == replaces]
    ranked = sorted([*others, *new], key=lambda found: -found.score)
    judgement = sample.rejudge(ranked, reading.crowds)
    before, after = _best(old), _best(new)
    offs = {key: abs(before.get(key, 0.0) - after.get(key, 0.0)) for key in {*before, *after}}
    where = max(offs, key=lambda key: offs[key], default=("nothing", "any camera"))
    return Difference(
        sample.part,
        sample.verdict,
        judgement.verdict,
        round(offs.get(where, 0.0), 4),
        f"{where[0].replace('_', ' ')} on {where[1]}",
    )


def _best(found: Sequence[Detection]) -> dict[tuple[str, str], float]:
    best: dict[tuple[str, str], float] = {}
    for detection in found:
        key = (detection.label, detection.camera)
        best[key] = max(best.get(key, 0.0), detection.score)
    return best
