"""The models that serve: loaded beside those in force, checked, tried in the shadow, then taken over.

All that runs in a thread of its own; the component's loop takes a proven model between two parts.
What cannot serve is told once and tried again when the model store changes, or after a while.
"""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import cv2

from inference.answers import ServingModel
from inference.configuration import ModelConfiguration, ShadowConfiguration
from inference.detectors.registry import Loading, Runtime, open_detector
from inference.golden import check_golden
from inference.shadow import Sample, Trial, TrialReport
from inference.stock import Stock
from sightline.background import at_low_priority
from sightline.bus import Inbox, RestartNeeded
from sightline.errors import ModelError, PictureError, RestartNeededError
from sightline.health import Health
from sightline.kept_thread import KeptThread

log = logging.getLogger(__name__)
LOOK_INTERVAL_S = 1.0
AGAIN_AFTER_S = 60.0
THREAD = "model-loader"
EXPECTED = (
    ModelError,
    PictureError,
    RestartNeededError,
    OSError,
    cv2.error,
)  # of a model, of the disk, of a picture in a trial


@dataclass(frozen=True)
class Proven:
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
    """Event: a model is ready to serve; `report` tells of its trial, if it had one.

    `loader` numbers the loader that tells: the word of one that was replaced counts no longer.
    """

    proven: Proven
    report: TrialReport | None = None
    command_id: str = ""
    loader: int = 0


@dataclass(frozen=True)
class ModelRefused:
    """Event: a model cannot serve; the one in force stays."""

    name: str
    error: str
    command_id: str = ""
    loader: int = 0


@dataclass(frozen=True)
class ModelBuilding:
    """Event: what a model needs on this machine is being built; `share` of it is done."""

    name: str
    share: float
    loader: int = 0


@dataclass(frozen=True)
class LoadOrder:
    """A command: let this model of the store serve under a name. The digest may be its first digits."""

    name: str
    digest: str
    command_id: str


@dataclass(frozen=True)
class Wish:
    """What the configuration asks for, and what is in force, by name."""

    models: tuple[ModelConfiguration, ...]
    threads: int
    shadow: ShadowConfiguration
    in_force: Mapping[str, Proven]


class ModelLoader:
    """Looks at the model store each second; posts each new model, or why it cannot serve."""

    def __init__(
        self, stock: Stock, wish: Wish, inbox: Inbox, health: Health, number: int = 0
    ) -> None:
        self._thread = KeptThread(THREAD, self._run, health)
        self._number = number
        self._stock = stock
        self._wish = wish
        self._inbox = inbox
        self._serving: dict[str, Proven] = dict(wish.in_force)
        self._refused: dict[str, tuple[str, str, float]] = {}  # digest, error, told at
        self._orders: list[LoadOrder] = []
        self._trial: Trial | None = None
        self._woken = threading.Event()
        self._ended = False

    def start(self) -> None:
        """Begin to look, in a thread of its own."""
        self._thread.start()

    def _run(self) -> None:
        while not self._ended:
            for model in self._wish.models:
                self._look(model)
            while self._orders and not self._ended:
                self._carry_out(self._orders.pop(0))
            self._woken.wait(LOOK_INTERVAL_S)
            self._woken.clear()

    def end(self) -> None:
        """Stop looking; a trial under way is given up."""
        self._ended = True
        self._thread.end()
        self._woken.set()

    def order(self, order: LoadOrder) -> None:
        """Carry out a command; `ModelLoaded` or `ModelRefused` follows."""
        self._orders.append(order)
        self._woken.set()

    def wants_sample(self) -> bool:
        """Whether a trial is under way that has time for a part."""
        trial = self._trial
        return trial is not None and trial.wants()

    def offer(self, sample: Sample) -> None:
        """Hand a part that was judged to the trial under way."""
        trial = self._trial
        if trial is not None:
            trial.offer(sample)

    def _post(self, event: ModelLoaded | ModelRefused | ModelBuilding) -> None:
        """Tell the main thread; a loader that was ended has nothing to say: another one looks."""
        if not self._ended:
            self._inbox.post(replace(event, loader=self._number))

    def _tell_if_lost(self, error: Exception) -> None:
        if isinstance(error, RestartNeededError):
            self._inbox.post(RestartNeeded(str(error)))

    def _look(self, model: ModelConfiguration) -> None:
        digest = ""
        try:
            digest = self._stock.wanted_digest(model)
            if self._serves(model, digest):
                self._withdraw_refusal(model.name)
            elif not self._refused_lately(model.name, digest):
                self._bring_up(model, digest)
        except Exception as error:  # noqa: BLE001 a model may make its runtime raise anything
            self._tell_if_lost(error)
            self._refuse(model.name, digest, error)
            self._fall_back(model, digest)

    def _bring_up(self, model: ModelConfiguration, digest: str, command_id: str = "") -> None:
        """Load, prove and hand over one model; ModelError if it cannot serve."""
        folder = self._stock.folder(digest)
        started = time.monotonic()
        loading = Loading(
            self._wish.threads, self._stock.built, partial(self._tell_progress, model.name)
        )
        detector = open_detector(model.runtime, folder, loading)
        candidate = ServingModel(detector)
        at_low_priority(lambda: check_golden(detector, folder / "golden.npz"))
        took_s = round(time.monotonic() - started, 3)
        log.info("model loaded", extra={"model": model.name, "digest": digest, "took_s": took_s})
        report = self._try_in_the_shadow(model, candidate)
        if self._ended:
            return
        proven = Proven(model.name, candidate, model.runtime, self._wish.threads)
        self._stock.served(model.name, digest)
        if command_id:
            self._stock.choose(model.stored_name, digest)
        self._serving[model.name] = proven
        self._refused.pop(model.name, None)
        self._post(ModelLoaded(proven, report, command_id))

    def _try_in_the_shadow(
        self, model: ModelConfiguration, candidate: ServingModel
    ) -> TrialReport | None:
        replaced = self._replaced_by(model, candidate)
        if replaced is None or self._wish.shadow.parts == 0:
            return None
        trial = Trial(candidate, replaced.contract.name, self._wish.shadow)
        self._trial = trial
        try:
            return at_low_priority(lambda: trial.run(lambda: self._ended))
        finally:
            self._trial = None

    def _replaced_by(
        self, model: ModelConfiguration, candidate: ServingModel
    ) -> ServingModel | None:
        """The model in force that this one is to replace: of its name, or alike and wanted no longer."""
        if model.name in self._serving:
            return self._serving[model.name].model
        wanted = {wish.name for wish in self._wish.models}
        leaving = [proven.model for proven in self._serving.values() if proven.name not in wanted]
        return next((m for m in leaving if m.contract.name == candidate.contract.name), None)

    def _carry_out(self, order: LoadOrder) -> None:
        try:
            model = self._ordered(order)
            digest = self._stock.find(order.digest)
            if self._serves(model, digest):
                self._stock.choose(model.stored_name, digest)
                self._post(ModelLoaded(self._serving[model.name], command_id=order.command_id))
            else:
                self._bring_up(model, digest, order.command_id)
        except Exception as error:  # noqa: BLE001 a model may make its runtime raise anything
            self._tell_if_lost(error)
            log_unexpected(error)
            self._post(ModelRefused(order.name, reason_of(error), order.command_id))

    def _ordered(self, order: LoadOrder) -> ModelConfiguration:
        models = {model.name: model for model in self._wish.models}
        if order.name not in models:
            raise ModelError(f"model: found {order.name!r}; configured are {', '.join(models)}")
        if models[order.name].digest:
            raise ModelError(f"model {order.name!r} is pinned to a digest by the configuration")
        return models[order.name]

    def _tell_progress(self, name: str, share: float, phase: str) -> None:
        log.info("building", extra={"model": name, "share": share, "phase": phase})
        self._post(ModelBuilding(name, share))

    def _serves(self, model: ModelConfiguration, digest: str) -> bool:
        serving = self._serving.get(model.name)
        wanted = (model.runtime, self._wish.threads, digest)
        return serving is not None and wanted == (serving.runtime, serving.threads, serving.digest)

    def _refused_lately(self, name: str, digest: str) -> bool:
        refused, _, at = self._refused.get(name, ("", "", 0.0))
        return refused == digest and time.monotonic() - at < AGAIN_AFTER_S

    def _refuse(self, name: str, digest: str, error: Exception) -> None:
        known, text = self._refused.get(name), reason_of(error)
        self._refused[name] = (digest, text, time.monotonic())
        if known is None or known[1] != text:
            log_unexpected(error)
            self._post(ModelRefused(name, text))

    def _withdraw_refusal(self, name: str) -> None:
        """The store names again what serves."""
        if self._refused.pop(name, None) is not None:
            self._post(ModelLoaded(self._serving[name]))

    def _fall_back(self, model: ModelConfiguration, refused: str) -> None:
        """Where nothing serves, let that serve which did before the last start; the fault stays."""
        refusal = self._refused[model.name]
        try:
            digest = self._stock.last_good(model.name)
            if model.name in self._serving or digest in ("", refused):
                return
            self._bring_up(model, digest)
        except Exception as error:  # noqa: BLE001 a model may make its runtime raise anything
            extra = {"model": model.name, "error": reason_of(error)}
            log.error("the last good model", extra=extra)
            return
        self._refused[model.name] = refusal
        self._post(ModelRefused(model.name, refusal[1]))


def reason_of(error: Exception) -> str:
    """Why a model cannot serve, in words."""
    return str(error) if isinstance(error, EXPECTED) else f"{type(error).__name__}: {error}"


def log_unexpected(error: Exception) -> None:
    """The traceback of an error that nobody foresaw."""
    if not isinstance(error, EXPECTED):
        log.error("unexpected error of a model", exc_info=error)
