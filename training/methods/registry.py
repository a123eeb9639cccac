"""The methods by name."""

from pathlib import Path
from typing import Any

import msgspec

from sightline.errors import ConfigurationError
from training.methods.classifier_method import ClassifierMethod
from training.methods.ssd_method import SsdMethod
from training.methods.student_teacher_method import StudentTeacherMethod
from training.methods.training_method import TrainingMethod
from training.methods.vae_method import VaeMethod

TRAINING_METHODS: dict[str, TrainingMethod] = {
    method.name: method
    for method in (SsdMethod(), VaeMethod(), StudentTeacherMethod(), ClassifierMethod())
}


def find_method(name: str) -> TrainingMethod:
    """A method by its name; ConfigurationError lists those there are."""
    if name not in TRAINING_METHODS:
        raise ConfigurationError(
            f"method: found {name!r}; allowed are {', '.join(TRAINING_METHODS)}"
        )
    return TRAINING_METHODS[name]


def find_plan(method: TrainingMethod, name: str) -> Any:
    """A plan by its name or from a JSON file, else the first; ConfigurationError if there is none."""
    if name.endswith(".json"):
        return _read_plan(method, Path(name))
    chosen = name or next(iter(method.plans))
    if chosen not in method.plans:
        allowed = ", ".join(method.plans)
        raise ConfigurationError(f"plan: found {name!r}; allowed are {allowed}, or a .json file")
    return method.plans[chosen]


def _read_plan(method: TrainingMethod, file: Path) -> Any:
    try:
        return decode_plan(method, file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"plan: {file} cannot be read: {error.strerror}") from error


def decode_plan(method: TrainingMethod, text: str) -> Any:
    """A plan from its JSON; ConfigurationError if it is none of this method."""
    try:
        return msgspec.json.decode(text, type=method.plan_type)
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"no plan of method {method.name}: {error}") from error
