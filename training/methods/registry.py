"""The training methods by name."""

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
    """The method with this name; ConfigurationError lists the methods."""
    if name not in TRAINING_METHODS:
        raise ConfigurationError(
            f"method: found {name!r}; allowed are {', '.join(TRAINING_METHODS)}"
        )
    return TRAINING_METHODS[name]
