"""The models that serve: loaded beside those in force, checked, tried in the shadow, then switched to.

All that runs in a thread of its own; the component's loop switches to a proven model between two parts.
What cannot serve is reported once and tried again when the model store changes, or after a while.
"""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import cv2

from inference.configuration import ModelConfiguration, ShadowConfiguration
from inference.detectors.registry import DetectorOptions, Runtime, open_detector
from inference.models.model_resolver import ModelResolver
from inference.models.shadow_trial import ShadowTrial, TrialReport, TrialSample
from sightline.configuration import ConfigurationStruct
from sightline.errors import CommandError, ModelError, PictureError, RestartNeededError
from sightline.kernel.background import run_at_low_priority
from sightline.kernel.health import ComponentHealth
from sightline.kernel.supervised_thread import SupervisedThread
from sightline.messaging.bus import Inbox, RestartNeeded
from sightline.vision.golden_frames import check_golden_frames
from sightline.vision.model_outputs import ServingModel

log = logging.getLogger(__name__)
STORE_CHECK_INTERVAL_S = 1.0
REFUSED_RETRY_S = 60.0
LOADER_THREAD = "model-loader"
EXPECTED_ERRORS = (
    ModelError,
    PictureError,
    RestartNeededError,
    OSError,
    cv2.error,
)  # of a model, of the disk, of a picture in a trial


@dataclass(frozen=True)
class ProvenModel:
    """A model that may serve, and how it was loaded."""

    name: str
    model: ServingModel
    runtime: Runtime
    threads: int

    @property
    def digest(self) -> str:
        """SHA-256 of its file."""
        return self.model.detector.digest


@dataclass(frozen=True)
class ModelLoaded:
    """Event: a model is ready to serve; `report` is that of its trial, if it had one.

    `loader_number` is that of the loader that posts it: events of one that was replaced count no longer.
    """

    proven_model: ProvenModel
    report: TrialReport | None = None
    command_id: str = ""
    loader_number: int = 0


@dataclass(frozen=True)
class ModelRefused:
    """Event: a model cannot serve; the one in force stays."""

    name: str
    error: str
    command_id: str = ""
    loader_number: int = 0


@dataclass(frozen=True)
class ModelBuildProgress:
    """Event: what a model needs on this machine is being built; `share` of it is done."""

    name: str
    share: float
    loader_number: int = 0


class LoadModel(ConfigurationStruct, frozen=True, kw_only=True):
    """The command's arguments: a configured name, and a digest of the store, or its first digits."""

    model: str = ""
    digest: str = ""


@dataclass(frozen=True)
class LoadRequest:
    """A command: let this model of the store serve under a name. The digest may be its first digits."""

    name: str
    digest: str
    command_id: str


@dataclass(frozen=True)
class ModelRequirements:
    """What the configuration asks for, and what is in force, by name."""

    models: tuple[ModelConfiguration, ...]
    threads: int
    shadow: ShadowConfiguration
    in_force: Mapping[str, ProvenModel]


class ModelLoader:
    """Checks the model store each second; posts each new model, or why it cannot serve."""

    def __init__(
        self,
        resolver: ModelResolver,
        requirements: ModelRequirements,
        inbox: Inbox,
        health: ComponentHealth,
        number: int = 0,
    ) -> None:
        self._thread = SupervisedThread(LOADER_THREAD, self._run, health)
        self._number = number
        self._resolver = resolver
        self._requirements = requirements
        self._inbox = inbox
        self._serving: dict[str, ProvenModel] = dict(requirements.in_force)
        self._refused: dict[str, tuple[str, str, float]] = {}  # digest, error, reported at
        self._requests: list[LoadRequest] = []
        self._trial: ShadowTrial | None = None
        self._wake_up = threading.Event()
        self._ended = False

    def start(self) -> None:
        """Begin to check the store, in a thread of its own."""
        self._thread.start()

    def _run(self) -> None:
        while not self._ended:
            for model in self._requirements.models:
                self._check_model(model)
            while self._requests and not self._ended:
                self._execute_request(self._requests.pop(0))
            self._wake_up.wait(STORE_CHECK_INTERVAL_S)
            self._wake_up.clear()

    def stop(self) -> None:
        """Stop checking; a trial under way is given up."""
        self._ended = True
        self._thread.stop()
        self._wake_up.set()

    def request_load(self, request: LoadRequest) -> None:
        """Carry out a command; `ModelLoaded` or `ModelRefused` follows."""
        self._requests.append(request)
        self._wake_up.set()

    def accepts_sample(self) -> bool:
        """Whether a trial is under way that has time for a part."""
        trial = self._trial
        return trial is not None and trial.accepts_sample()

    def offer_sample(self, sample: TrialSample) -> None:
        """Hand a part that was judged to the trial under way."""
        trial = self._trial
        if trial is not None:
            trial.offer_sample(sample)

    def _post(self, event: ModelLoaded | ModelRefused | ModelBuildProgress) -> None:
        """Post to the main thread; a loader that was ended posts nothing: another one checks the store."""
        if not self._ended:
            self._inbox.post(replace(event, loader_number=self._number))

    def _request_restart_if_lost(self, error: Exception) -> None:
        if isinstance(error, RestartNeededError):
            self._inbox.post(RestartNeeded(str(error)))

    def _check_model(self, model: ModelConfiguration) -> None:
        digest = ""
        try:
            digest = self._resolver.resolve_digest(model)
            if self._is_serving(model, digest):
                self._withdraw_refusal(model.name)
            elif not self._was_refused_recently(model.name, digest):
                self._load_and_prove(model, digest)
        except Exception as error:  # noqa: BLE001 a model may make its runtime raise anything
            self._request_restart_if_lost(error)
            self._post_refusal(model.name, digest, error)
            self._load_last_good(model, digest)

    def _load_and_prove(self, model: ModelConfiguration, digest: str, command_id: str = "") -> None:
        """Load, prove and hand over one model; ModelError if it cannot serve."""
        folder = self._resolver.checked_model_folder(digest)
        started = time.monotonic()
        loading = DetectorOptions(
            self._requirements.threads,
            self._resolver.engine_folder,
            partial(self._report_progress, model.name),
        )
        detector = open_detector(model.runtime, folder, loading)
        candidate = ServingModel(detector, model.name)
        run_at_low_priority(lambda: check_golden_frames(detector, folder / "golden.npz"))
        took_s = round(time.monotonic() - started, 3)
        log.info("model loaded", extra={"model": model.name, "digest": digest, "took_s": took_s})
        report = self._run_shadow_trial(model, candidate)
        if self._ended:
            return
        proven = ProvenModel(model.name, candidate, model.runtime, self._requirements.threads)
        self._resolver.store_last_good(model.name, digest)
        if command_id:
            self._resolver.point_name(model.stored_name, digest)
        self._serving[model.name] = proven
        self._refused.pop(model.name, None)
        self._post(ModelLoaded(proven, report, command_id))

    def _run_shadow_trial(
        self, model: ModelConfiguration, candidate: ServingModel
    ) -> TrialReport | None:
        replaced = self._find_replaced(model, candidate)
        if replaced is None or self._requirements.shadow.parts == 0:
            return None
        trial = ShadowTrial(candidate, replaced.name, self._requirements.shadow)
        self._trial = trial
        try:
            return run_at_low_priority(lambda: trial.run(lambda: self._ended))
        finally:
            self._trial = None

    def _find_replaced(
        self, model: ModelConfiguration, candidate: ServingModel
    ) -> ServingModel | None:
        """The model in force that this one is to replace: of its name, or alike and wanted no longer."""
        if model.name in self._serving:
            return self._serving[model.name].model
        wanted = {required.name for required in self._requirements.models}
        leaving = [proven.model for proven in self._serving.values() if proven.name not in wanted]
        return next((m for m in leaving if m.contract.name == candidate.contract.name), None)

    def _execute_request(self, request: LoadRequest) -> None:
        try:
            model = self._find_requested(request)
            digest = self._resolver.find_digest(request.digest)
            if self._is_serving(model, digest):
                self._resolver.point_name(model.stored_name, digest)
                self._post(ModelLoaded(self._serving[model.name], command_id=request.command_id))
            else:
                self._load_and_prove(model, digest, request.command_id)
        except Exception as error:  # noqa: BLE001 a model may make its runtime raise anything
            self._request_restart_if_lost(error)
            log_unexpected_error(error)
            self._post(ModelRefused(request.name, describe_model_error(error), request.command_id))

    def _find_requested(self, request: LoadRequest) -> ModelConfiguration:
        models = {model.name: model for model in self._requirements.models}
        if request.name not in models:
            raise ModelError(f"model: found {request.name!r}; configured are {', '.join(models)}")
        if models[request.name].digest:
            raise ModelError(f"model {request.name!r} is pinned to a digest by the configuration")
        return models[request.name]

    def _report_progress(self, name: str, share: float, phase: str) -> None:
        log.info("building", extra={"model": name, "share": share, "phase": phase})
        self._post(ModelBuildProgress(name, share))

    def _is_serving(self, model: ModelConfiguration, digest: str) -> bool:
        serving = self._serving.get(model.name)
        wanted = (model.runtime, self._requirements.threads, digest)
        return serving is not None and wanted == (serving.runtime, serving.threads, serving.digest)

    def _was_refused_recently(self, name: str, digest: str) -> bool:
        refused, _, at = self._refused.get(name, ("", "", 0.0))
        return refused == digest and time.monotonic() - at < REFUSED_RETRY_S

    def _post_refusal(self, name: str, digest: str, error: Exception) -> None:
        known, text = self._refused.get(name), describe_model_error(error)
        self._refused[name] = (digest, text, time.monotonic())
        if known is None or known[1] != text:
            log_unexpected_error(error)
            self._post(ModelRefused(name, text))

    def _withdraw_refusal(self, name: str) -> None:
        """The store names again what serves."""
        if self._refused.pop(name, None) is not None:
            self._post(ModelLoaded(self._serving[name]))

    def _load_last_good(self, model: ModelConfiguration, refused: str) -> None:
        """Where nothing serves, let that serve which did before the last start; the fault stays."""
        refusal = self._refused[model.name]
        try:
            digest = self._resolver.load_last_good(model.name)
            if model.name in self._serving or digest in ("", refused):
                return
            self._load_and_prove(model, digest)
        except Exception as error:  # noqa: BLE001 a model may make its runtime raise anything
            extra = {"model": model.name, "error": describe_model_error(error)}
            log.error("the last good model", extra=extra)
            return
        self._refused[model.name] = refusal
        self._post(ModelRefused(model.name, refusal[1]))


def build_load_request(arguments: LoadModel, command_id: str) -> LoadRequest:
    """What a command asks for; CommandError if it does not say."""
    if not arguments.model or not arguments.digest:
        raise CommandError("load_model needs 'model', a configured name, and 'digest', both texts")
    return LoadRequest(arguments.model, arguments.digest, command_id)


def describe_model_error(error: Exception) -> str:
    """Why a model cannot serve, in words."""
    return str(error) if isinstance(error, EXPECTED_ERRORS) else f"{type(error).__name__}: {error}"


def log_unexpected_error(error: Exception) -> None:
    """The traceback of an error that nobody foresaw."""
    if not isinstance(error, EXPECTED_ERRORS):
        log.error("unexpected error of a model", exc_info=error)
