"""Which models judge: all that are wanted, from the part on when the last of them was proven.

Until then those before judge on, whatever becomes of the new ones.
"""

import logging
from collections.abc import Sequence

from inference.configuration import InferenceConfiguration, ModelConfiguration
from inference.models.model_loader import (
    LOADER_THREAD,
    LoadRequest,
    ModelBuildProgress,
    ModelLoaded,
    ModelLoader,
    ModelRefused,
    ModelRequirements,
    ProvenModel,
)
from inference.models.model_resolver import ModelResolver
from inference.models.shadow_trial import TrialSample
from sightline.kernel.component import ComponentContext
from sightline.kernel.health import THREAD_FAULT
from sightline.storage.station_folder import StationFolder
from sightline.vision.model_outputs import ServingModel

log = logging.getLogger(__name__)


class ModelSwitch:
    """Used by the component's main thread, so that models change between two parts only."""

    def __init__(self, context: ComponentContext[InferenceConfiguration]) -> None:
        self._context = context
        self._unfinished: dict[str, LoadRequest] = {}  # by command, the oldest first
        self._health = context.health
        self._models: dict[str, ProvenModel] = {}
        self._in_force: tuple[str, ...] = ()
        self._loader: ModelLoader | None = None
        self._loader_number = 0

    def configure(
        self,
        configuration: InferenceConfiguration,
        of_products: Sequence[ModelConfiguration] = (),
    ) -> None:
        """What is wanted from now on; the models in force stay until it is there.

        Those of products are looked for beside; only the parts of these products wait for them.
        """
        self.close()
        self._required = configuration.models or tuple(of_products)
        names = {model.name for model in self._required}
        self._all_required = (*self._required, *(m for m in of_products if m.name not in names))
        folder = StationFolder(self._context.work_folder / configuration.station_folder)
        resolver = ModelResolver(folder.models, self._context.work_folder / "models-in-force")
        requirements = ModelRequirements(
            self._all_required, configuration.threads, configuration.shadow, dict(self._models)
        )
        self._loader_number += 1
        self._health.clear_fault(THREAD_FAULT + LOADER_THREAD)
        self._loader = ModelLoader(
            resolver, requirements, self._context.inbox, self._health, self._loader_number
        )
        for request in self._unfinished.values():  # the loader before was ended amidst them
            self._loader.request_load(request)
        self._loader.start()
        self._activate_models()

    def close(self) -> None:
        """Look for models no longer."""
        if self._loader is not None:
            self._loader.stop()

    def missing_models(self, of_product: Sequence[str] = ()) -> list[str]:
        """The models without which no part can be judged, or none of a product."""
        if not of_product and self._in_force:
            return []
        wanted = of_product or [model.name for model in self._required]
        return [name for name in wanted if name not in self._models]

    def serving_models(self, of_product: Sequence[str] = ()) -> list[ServingModel]:
        """The models that judge, or those of a product."""
        return [self._models[name].model for name in of_product or self._in_force]

    def accepts_sample(self) -> bool:
        """Whether a model on trial has time for a part."""
        return self._loader is not None and self._loader.accepts_sample()

    def offer_sample(self, sample: TrialSample) -> None:
        """Show the model on trial a part that was judged."""
        if self._loader is not None:
            self._loader.offer_sample(sample)

    def request_load(self, request: LoadRequest) -> None:
        """Load a model on command; `ModelLoaded` or `ModelRefused` follows, also from a later loader."""
        self._unfinished[request.command_id] = request
        if self._loader is not None:
            self._loader.request_load(request)

    def switch_to(self, event: ModelLoaded) -> str | None:
        """Let a proven model serve; what its trial found, or None if it is not wanted any more."""
        proven = event.proven_model
        if event.loader_number != self._loader_number or not any(
            _is_required(proven, m) for m in self._all_required
        ):
            return None  # of the configuration before; its successor looks for what is wanted now
        self._unfinished.pop(event.command_id, None)
        before = self._models.get(proven.name)
        self._models[proven.name] = proven
        self._health.clear_fault(f"model-{proven.name}")
        self._activate_models()
        if before is not None and before.digest != proven.digest:
            self._health.count("models_swapped")
        trial = self._report_trial(event)
        log.info(
            "model serves",
            extra={"model": proven.name, "digest": proven.digest, "trial": trial},
        )
        return trial

    def refuse(self, event: ModelRefused) -> bool:
        """Say why a model cannot serve; False if nobody asks any more."""
        if event.loader_number != self._loader_number:
            return False
        self._unfinished.pop(event.command_id, None)
        log.error("model refused", extra={"model": event.name, "error": event.error})
        self._health.count("models_refused")
        if not event.command_id:
            self._health.raise_fault(f"model-{event.name}", event.error)
        return True

    def report_progress(self, event: ModelBuildProgress) -> None:
        """How far the building of an engine is."""
        if event.loader_number == self._loader_number:
            self._health.set_gauge(f"building_{event.name}", round(event.share, 2))

    def _activate_models(self) -> None:
        wanted = tuple(model.name for model in self._required)
        if all(name in self._models for name in wanted):
            self._in_force = wanted
            names = [model.name for model in self._all_required]
            self._models = {name: m for name, m in self._models.items() if name in names}
            self._health.set_ready(True)

    def _report_trial(self, event: ModelLoaded) -> str:
        report = event.report
        if report is None:
            return ""
        self._health.count("shadow_parts", report.parts)
        self._health.count("shadow_verdicts_differ", report.verdicts_differ)
        if report.max_difference is not None:
            self._health.set_gauge("shadow_greatest_score_difference", report.max_difference.score)
        return report.describe()


def _is_required(proven: ProvenModel, model: ModelConfiguration) -> bool:
    """Whether this is the model that the configuration names; one that is pinned is that very file."""
    wanted = (model.name, model.runtime, model.digest or proven.digest)
    return wanted == (proven.name, proven.runtime, proven.digest)
