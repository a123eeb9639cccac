"""The models that serve: loaded beside those in force, checked on their golden frames, then taken over.

Loading runs in a thread; the component's loop takes a loaded model between two parts. What cannot be
loaded is told once and tried again when the model store changes, or after a while.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inference.configuration import ModelConfiguration
from inference.detectors.registry import open_detector
from inference.examiner import ServingModel
from inference.golden import check_golden
from sightline.bus import Inbox
from sightline.errors import ModelError
from sightline.model_store import find_model, named_digest

log = logging.getLogger(__name__)
LOOK_INTERVAL_S = 1.0


@dataclass(frozen=True)
class ModelLoaded:
    """Event: a model is ready to serve."""

    name: str
    model: ServingModel


@dataclass(frozen=True)
class ModelRefused:
    """Event: a model cannot serve; the one in force stays."""

    name: str
    error: str


class ModelLoader(threading.Thread):
    """Looks at the model store each second; posts each new model, or why it cannot serve."""

    def __init__(
        self, store: Path, wanted: Sequence[ModelConfiguration], threads: int, inbox: Inbox
    ) -> None:
        super().__init__(name="model-loader", daemon=True)
        self._store = store
        self._wanted = tuple(wanted)
        self._threads = threads
        self._inbox = inbox
        self._serving: dict[str, str] = {}
        self._refused: dict[str, str] = {}
        self._ended = threading.Event()

    def run(self) -> None:
        """Look until ended."""
        while True:
            for model in self._wanted:
                self._look(model)
            if self._ended.wait(LOOK_INTERVAL_S):
                return

    def end(self) -> None:
        """Stop looking."""
        self._ended.set()

    def _look(self, wanted: ModelConfiguration) -> None:
        name = wanted.name
        try:
            if self._serving.get(name, "") == named_digest(self._store, name) != "":
                return
            folder = find_model(self._store, name)
            detector = open_detector(wanted.runtime, folder, self._threads)
            check_golden(detector, folder / "golden.npz")
        except ModelError as error:
            self._refuse(name, str(error))
            return
        self._serving[name] = folder.name
        self._refused.pop(name, None)
        log.info("model loaded", extra={"model": name, "digest": detector.digest})
        self._inbox.post(ModelLoaded(name, ServingModel(detector)))

    def _refuse(self, name: str, error: str) -> None:
        if self._refused.get(name) != error:
            self._refused[name] = error
            self._inbox.post(ModelRefused(name, error))
