"""The training methods by name, and their plans by name or from a file."""

import sys
from pathlib import Path
from typing import Any

import msgspec

from sightline.errors import ConfigurationError
from training.methods.classifier_method import ClassifierMethod
from training.methods.plan_keys import check_plan_keys, rename_plan_keys
from training.methods.ssd_method import SsdMethod
from training.methods.student_teacher_method import StudentTeacherMethod
from training.methods.training_method import TrainingMethod
from training.methods.vae_method import VaeMethod

TRAINING_METHODS: dict[str, TrainingMethod] = {
    method.name: method
    for method in (SsdMethod(), VaeMethod(), StudentTeacherMethod(), ClassifierMethod())
}


def find_method(name: str) -> TrainingMethod:
    """The method with this name; ConfigurationError lists the methods."""
    if name not in TRAINING_METHODS:
        raise ConfigurationError(
            f"method: found {name!r}; allowed are {', '.join(TRAINING_METHODS)}"
        )
    return TRAINING_METHODS[name]


def find_plan(method: TrainingMethod, name: str) -> Any:
    """The plan with this name or in this JSON file (default: the method's first); ConfigurationError."""
    if name.endswith(".json"):
        return _read_plan(method, Path(name))
    chosen = name or next(iter(method.plans))
    if chosen not in method.plans:
        allowed = ", ".join(method.plans)
        raise ConfigurationError(f"plan: found {name!r}; allowed are {allowed}, or a .json file")
    return method.plans[chosen]


def _read_plan(method: TrainingMethod, file: Path) -> Any:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"plan: cannot read {file}: {error}") from error
    return decode_plan(method, text, str(file))


def decode_plan(
    method: TrainingMethod, text: str, source: str, *, ignore_unknown: bool = False
) -> Any:
    """A plan from JSON; ConfigurationError. Writes a warning about old keys to standard error."""
    try:
        values, renamed = rename_plan_keys(method.plan_type, msgspec.json.decode(text))
        plan: Any = msgspec.convert(values, type=method.plan_type)
        if not ignore_unknown:
            check_plan_keys(values, plan)
    except (msgspec.DecodeError, ConfigurationError) as error:
        raise ConfigurationError(
            f"{source}: not a plan for method {method.name}: {error}"
        ) from error
    if renamed:
        sys.stderr.write(
            f"  {source}: {'; '.join(renamed)}. The next release does not read the old keys.\n"
        )
    return plan
