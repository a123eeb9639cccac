"""A part is judged: its pictures through the models, the policy on what they find, the verdict on disk."""

from collections.abc import Sequence
from functools import partial

from inference.configuration import InferenceConfiguration
from inference.evidence_writer import EvidenceWriter, build_evidence_pictures
from inference.models.model_loader import describe_model_error, log_unexpected_error
from inference.models.model_switch import ModelSwitch
from inference.models.shadow_trial import build_trial_sample
from inference.prediction.part_inference import PartInference, PartPredictions
from inference.prediction.serial_reading import SerialReader, SerialReading, SerialRegister
from inference.scheduling.judging_watchdog import JudgingWatchdog
from inference.verdicts.camera_scales import CameraScales
from inference.verdicts.rule_book import PartRules
from inference.verdicts.verdict_committer import VerdictCommitter
from inference.verdicts.verdict_messages import (
    build_missed_verdict,
    build_verdict,
    build_view_coverage,
)
from sightline.errors import FrameOverwrittenError, RestartNeededError
from sightline.kernel.component import ComponentContext
from sightline.messaging.messages import PartCaptured
from sightline.storage.products import Product, SerialCode, VerdictPolicy
from sightline.storage.station_folder import StationFolder
from sightline.vision.model_outputs import ServingModel
from sightline.vision.part_judging import ReasonedVerdict, find_overflow_doubts, measure_and_judge

OVERFLOW_FAULT = "too-many-detections"
UNFINDABLE_FAULT = "labels-without-model"
MODEL_RUN_FAULT = "model-run"
STRANGE_SHAPE_FAULT = "picture-shape"


class PartJudge:
    """Judges one part after the other; used by the component's main thread."""

    def __init__(
        self,
        context: ComponentContext[InferenceConfiguration],
        models: ModelSwitch,
        committer: VerdictCommitter,
        watchdog: JudgingWatchdog,
    ) -> None:
        self._context = context
        self._health = context.health
        self._clock = context.clock
        self._models = models
        self._committer = committer
        self._watchdog = watchdog
        self._ok_parts = 0
        self._serials = SerialRegister(context.health)
        self._finishing_writers: list[EvidenceWriter] = []
        self._open(context.configuration)

    def reconfigure(self, configuration: InferenceConfiguration) -> None:
        """Judge by another configuration from the next part on."""
        self._evidence_writer.finish()  # in its own time: parts do not wait for the disk
        self._finishing_writers = [
            writer for writer in self._finishing_writers if writer.is_writing
        ]
        self._finishing_writers.append(self._evidence_writer)
        self._serial_reader.close()
        self._part_inference.close()
        self._open(configuration)

    def close(self) -> None:
        """Write the pictures in hand, and end the threads."""
        self._evidence_writer.finish()
        for writer in (*self._finishing_writers, self._evidence_writer):
            writer.close()
        self._serial_reader.close()
        self._part_inference.close()

    def judge_part(self, captured: PartCaptured, rules: PartRules, started_ns: int) -> bool:
        """Give the part its verdict; whether models saw its pictures, in time or not. LedgerError."""
        models, policy = self._models.serving_models(rules.models), rules.policy
        code = policy.serial if isinstance(policy, Product) else None
        if code is not None:
            self._serial_reader.start(code, captured.frames)
        predictions = self._predict(captured, models, policy)
        if predictions is None:
            return False
        reading = self._finish_serial(code, captured)
        part_doubts = _describe_serial_doubt(code, reading)
        doubts = (
            *rules.doubts,
            *self._check_defect_labels(models, policy),
            *self._check_picture_shapes(models, captured),
        )
        coverage = build_view_coverage(captured, self._configuration.cameras, doubts, part_doubts)
        scales = self._camera_scales.find_scales(captured.calibration_version, coverage.frame_sizes)
        rejudge = partial(measure_and_judge, coverage=coverage, policy=policy, scales=scales)
        reasoned = rejudge(predictions.detections, predictions.overflows)
        self._report_overflows(find_overflow_doubts(predictions.overflows, policy))
        now_ns = self._clock.monotonic_ns()
        if now_ns > captured.deadline_monotonic_ns:
            self._commit_missed(
                captured, f"judged {reasoned.verdict}, but after the part passed the gate"
            )
            self._watchdog.record_missed()
            return True
        self._watchdog.record_judged()
        keeps = self._decide_keep_pictures(reasoned, len(predictions.frames))
        verdict = build_verdict(
            captured,
            reasoned,
            predictions,
            models,
            policy=policy,
            evidence=(
                build_evidence_pictures(
                    captured.station_id, captured.part, list(predictions.frames)
                )
                if keeps
                else ()
            ),
            queue_ms=(started_ns - captured.captured_monotonic_ns) / 1e6,
            now_utc_ns=self._clock.utc_ns(),
            serial=reading.serial,
        )
        self._committer.commit_and_publish([verdict], reasoned.rejecting_labels)
        if reading.serial:
            self._serials.note(captured.product, reading.serial, captured.part)
        if keeps:
            half = reasoned.verdict in ("ok", "empty")
            self._evidence_writer.queue_pictures(
                captured.station_id, captured.part, predictions.frames, half
            )
        if self._models.accepts_sample():
            sample = build_trial_sample(captured, predictions, verdict, rejudge, policy.min_score())
            self._models.offer_sample(sample)
        return True

    def _open(self, configuration: InferenceConfiguration) -> None:
        folder = StationFolder(self._context.work_folder / configuration.station_folder)
        self._configuration = configuration
        self._camera_scales = CameraScales(folder.calibration, self._health)
        self._part_inference = PartInference(
            self._context.station_id, configuration.cameras, configuration.images_at_once
        )
        self._serial_reader = SerialReader(self._part_inference.ring, self._health)
        self._evidence_writer = EvidenceWriter(
            folder.evidence_spool, configuration.evidence, len(configuration.cameras), self._health
        )

    def _finish_serial(self, code: SerialCode | None, captured: PartCaptured) -> SerialReading:
        if code is None:
            return SerialReading()
        now_ns = self._clock.monotonic_ns()
        return self._serial_reader.finish(code, captured.deadline_monotonic_ns, now_ns)

    def _predict(
        self, captured: PartCaptured, models: Sequence[ServingModel], policy: VerdictPolicy
    ) -> PartPredictions | None:
        """What the models see; None where they could not, and the part is missed."""
        try:
            predictions = self._part_inference.predict_part(
                captured.frames, models, policy.min_score()
            )
        except FrameOverwrittenError as error:
            self._commit_missed(captured, f"pictures no longer available: {error}")
            return None
        except RestartNeededError:
            self._commit_missed(captured, "models failed: the GPU does not respond")
            raise
        except Exception as error:  # noqa: BLE001 a model may make its runtime raise anything
            log_unexpected_error(error)
            self._health.raise_fault(MODEL_RUN_FAULT, describe_model_error(error))
            self._commit_missed(captured, f"models failed: {describe_model_error(error)}")
            self._watchdog.record_missed(models_failed=True)
            return None
        self._health.clear_fault(MODEL_RUN_FAULT)
        return predictions

    def _check_defect_labels(
        self, models: Sequence[ServingModel], policy: VerdictPolicy
    ) -> list[str]:
        """The doubts about defects, or a product, that no model can find."""
        known = {label for model in models for label in model.contract.labels}
        labels = [label for label in policy.defects if label not in known]
        shown_by = policy.product_labels if policy.presence == "label" else ()
        if shown_by and known.isdisjoint(shown_by):
            labels += [label for label in shown_by if label not in labels]
        if labels:
            self._health.raise_fault(
                UNFINDABLE_FAULT,
                f"No model in use can find {', '.join(labels)}, so no part is ok. Deploy a model that "
                "knows these labels, or remove them from the product's defects and productLabels "
                '("presence": "always" needs no productLabels).',
            )
        else:
            self._health.clear_fault(UNFINDABLE_FAULT)
        return [f"no model finds {label}" for label in labels]

    def _check_picture_shapes(
        self, models: Sequence[ServingModel], captured: PartCaptured
    ) -> list[str]:
        """The doubts about pictures that are stretched otherwise than those the models learned from."""
        strange = [
            (model.name, ref)
            for model in models
            for ref in captured.frames
            if not model.contract.knows_shape(ref.width, ref.height)
        ]
        if not strange:
            self._health.clear_fault(STRANGE_SHAPE_FAULT)
            return []
        told = [f"{ref.camera} {ref.width}x{ref.height} ({name})" for name, ref in strange]
        self._health.raise_fault(
            STRANGE_SHAPE_FAULT,
            "The pictures have another shape than those the models were trained on, and would be "
            f"stretched otherwise: {', '.join(told)}; so no part is ok. Train on pictures of the cameras' "
            "shape, or set the cameras to that of the training pictures.",
        )
        return [
            f"{ref.camera} has not the shape that {name} was trained on" for name, ref in strange
        ]

    def _report_overflows(self, doubts: Sequence[str]) -> None:
        if not doubts:
            self._health.clear_fault(OVERFLOW_FAULT)
            return
        self._health.count("parts_with_more_than_is_looked_at")
        text = f"Too many detections: {'; '.join(doubts)}. Such parts are never ok. Check the pictures."
        self._health.raise_fault(OVERFLOW_FAULT, text, "warning")

    def _decide_keep_pictures(self, reasoned: ReasonedVerdict, pictures: int) -> bool:
        each = self._configuration.evidence.keep_each_ok
        if reasoned.verdict in ("ok", "empty"):
            self._ok_parts += 1
            sampled = each > 0 and self._ok_parts % each == 0
            if not reasoned.keep_pictures and not sampled:
                return False
        return self._evidence_writer.check_room(pictures)

    def _commit_missed(self, captured: PartCaptured, reason: str) -> None:
        self._committer.commit_and_publish(
            [build_missed_verdict(captured, reason, self._clock.utc_ns())]
        )


def _describe_serial_doubt(code: SerialCode | None, reading: SerialReading) -> tuple[str, ...]:
    """Why a part whose product requires a serial number cannot be ok."""
    if code is None or not code.required or reading.serial:
        return ()
    return (f"no serial number from {code.camera}: {reading.problem}",)
