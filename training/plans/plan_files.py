"""The plans of each method by name or from a JSON file; readable without PyTorch."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec

from sightline.errors import ConfigurationError, TextError
from sightline.strict_text import decode_json, read_text
from training.plans.anomaly_map_plans import (
    STUDENT_TEACHER_PLANS,
    VAE_PLANS,
    StudentTeacherPlan,
    VaePlan,
)
from training.plans.classifier_plans import CLASSIFIER_PLANS, ClassifierPlan
from training.plans.detector_plans import DETECTOR_PLANS, DetectorPlan
from training.plans.plan_keys import check_plan_keys, rename_plan_keys


class PlannedMethod(Protocol):
    """What a plan belongs to: the method's name, its type of plan, and its named plans."""

    @property
    def name(self) -> str:
        """The method's name on the command line."""

    @property
    def plan_type(self) -> type:
        """The struct of its plans."""

    @property
    def plans(self) -> Mapping[str, Any]:
        """Its plans by name; the first is the default."""


@dataclass(frozen=True)
class MethodPlans:
    """A method's name, type of plan, and named plans."""

    name: str
    plan_type: type
    plans: Mapping[str, Any]


METHOD_PLANS = {
    one.name: one
    for one in (
        MethodPlans("ssd", DetectorPlan, DETECTOR_PLANS),
        MethodPlans("vae", VaePlan, VAE_PLANS),
        MethodPlans("student-teacher", StudentTeacherPlan, STUDENT_TEACHER_PLANS),
        MethodPlans("classifier", ClassifierPlan, CLASSIFIER_PLANS),
    )
}


def find_plan(method: PlannedMethod, name: str) -> Any:
    """The plan with this name or in this JSON file (default: the method's first); ConfigurationError."""
    if name.endswith(".json"):
        return _read_plan(method, Path(name))
    chosen = name or next(iter(method.plans))
    if chosen not in method.plans:
        allowed = ", ".join(method.plans)
        raise ConfigurationError(f"plan: found {name!r}; allowed are {allowed}, or a .json file")
    return method.plans[chosen]


def _read_plan(method: PlannedMethod, file: Path) -> Any:
    try:
        text = read_text(file)
    except (OSError, TextError) as error:
        raise ConfigurationError(f"plan: cannot read {file}: {error}") from error
    return decode_plan(method, text, str(file))


def decode_plan(
    method: PlannedMethod, text: str, source: str, *, ignore_unknown: bool = False
) -> Any:
    """A plan from JSON; ConfigurationError. Writes a warning about old keys to standard error."""
    try:
        values, renamed = rename_plan_keys(method.plan_type, decode_json(text))
        plan: Any = msgspec.convert(values, type=method.plan_type)
        if not ignore_unknown:
            check_plan_keys(values, plan)
    except (TextError, msgspec.ValidationError, ConfigurationError) as error:
        raise ConfigurationError(
            f"{source}: not a plan for method {method.name}: {error}"
        ) from error
    if renamed:
        sys.stderr.write(
            f"  {source}: {'; '.join(renamed)}. The next release does not read the old keys.\n"
        )
    return plan
