"""Which models judge: all that are wanted, from the part on when the last of them was proven.

Until then those before judge on, whatever becomes of the new ones.
"""

import logging
from collections.abc import Sequence

from inference.answers import ServingModel
from inference.configuration import InferenceConfiguration, ModelConfiguration
from inference.load_commands import LoadCommands
from inference.models import (
    THREAD,
    ModelBuilding,
    ModelLoaded,
    ModelLoader,
    ModelRefused,
    Proven,
    Wish,
)
from inference.notebook import Notebook
from inference.shadow import Sample
from inference.stock import Stock
from sightline.health import THREAD_FAULT
from sightline.messages import CommandAccepted
from sightline.runtime import Context
from sightline.station_folder import StationFolder

log = logging.getLogger(__name__)


class ModelSwitch:
    """Used by the component's main thread, so that models change between two parts only."""

    def __init__(self, context: Context[InferenceConfiguration], notebook: Notebook) -> None:
        self._context = context
        self._commands = LoadCommands(context, notebook)
        self._health = context.health
        self._models: dict[str, Proven] = {}
        self._in_force: tuple[str, ...] = ()
        self._loader: ModelLoader | None = None
        self._loaders = 0

    def configure(
        self,
        configuration: InferenceConfiguration,
        of_products: Sequence[ModelConfiguration] = (),
    ) -> None:
        """What is wanted from now on; the models in force stay until it is there.

        Those of products are looked for beside; only the parts of these products wait for them.
        """
        self.close()
        self._wanted = configuration.models
        names = {model.name for model in self._wanted}
        self._all = (*self._wanted, *(m for m in of_products if m.name not in names))
        folder = StationFolder(self._context.work_folder / configuration.station_folder)
        stock = Stock(folder.models, self._context.work_folder / "models-in-force")
        wish = Wish(self._all, configuration.threads, configuration.shadow, dict(self._models))
        self._loaders += 1
        self._health.clear_fault(THREAD_FAULT + THREAD)
        self._loader = ModelLoader(stock, wish, self._context.inbox, self._health, self._loaders)
        for order in self._commands.orders:  # the loader before was ended amidst them
            self._loader.order(order)
        self._loader.start()
        self._put_into_force()

    def close(self) -> None:
        """Look for models no longer."""
        if self._loader is not None:
            self._loader.end()

    def lacking(self, of_product: Sequence[str] = ()) -> list[str]:
        """The models without which no part can be judged, or none of a product."""
        if not of_product and self._in_force:
            return []
        wanted = of_product or [model.name for model in self._wanted]
        return [name for name in wanted if name not in self._models]

    def serving(self, of_product: Sequence[str] = ()) -> list[ServingModel]:
        """The models that judge, or those of a product."""
        return [self._models[name].model for name in of_product or self._in_force]

    def wants_sample(self) -> bool:
        """Whether a model on trial has time for a part."""
        return self._loader is not None and self._loader.wants_sample()

    def offer(self, sample: Sample) -> None:
        """Show the model on trial a part that was judged."""
        if self._loader is not None:
            self._loader.offer(sample)

    def take(self, event: ModelLoaded) -> None:
        """A model was proven."""
        proven = event.proven
        if event.loader != self._loaders or not any(_is_wanted(proven, m) for m in self._all):
            return  # of the configuration before; its successor looks for what is wanted now
        before = self._models.get(proven.name)
        self._models[proven.name] = proven
        self._health.clear_fault(f"model-{proven.name}")
        self._put_into_force()
        if before is not None and before.digest != proven.digest:
            self._health.count("models_swapped")
        words = self._tell_of_trial(event)
        log.info(
            "model serves",
            extra={"model": proven.name, "digest": proven.digest, "trial": words},
        )
        if event.command_id:
            self._commands.answer(event.command_id, "done", words)

    def refuse(self, event: ModelRefused) -> None:
        """A model cannot serve: say why."""
        if event.loader != self._loaders:
            return
        log.error("model refused", extra={"model": event.name, "error": event.error})
        self._health.count("models_refused")
        if event.command_id:
            self._commands.answer(event.command_id, "refused", event.error)
        else:
            self._health.raise_fault(f"model-{event.name}", event.error)

    def tell_progress(self, event: ModelBuilding) -> None:
        """How far the building of an engine is."""
        if event.loader == self._loaders:
            self._health.gauge(f"building_{event.name}", round(event.share, 2))

    def load(self, command: CommandAccepted) -> None:
        """Carry out `load_model`; the answer follows when the model serves or is refused."""
        order = self._commands.take(command)
        if order is not None and self._loader is not None:
            self._loader.order(order)

    def _put_into_force(self) -> None:
        wanted = tuple(model.name for model in self._wanted)
        if all(name in self._models for name in wanted):
            self._in_force = wanted
            names = [model.name for model in self._all]
            self._models = {name: m for name, m in self._models.items() if name in names}
            self._health.set_ready(True)

    def _tell_of_trial(self, event: ModelLoaded) -> str:
        report = event.report
        if report is None:
            return ""
        self._health.count("shadow_parts", report.parts)
        self._health.count("shadow_verdicts_differ", report.verdicts_differ)
        if report.greatest is not None:
            self._health.gauge("shadow_greatest_score_difference", report.greatest.score)
        return report.words()


def _is_wanted(proven: Proven, model: ModelConfiguration) -> bool:
    """Whether this is the model that the configuration names; one that is pinned is that very file."""
    wanted = (model.name, model.runtime, model.digest or proven.digest)
    return wanted == (proven.name, proven.runtime, proven.digest)
