"""Plans of classifiers."""

import msgspec

from sightline.vision.preprocess import AREA_HALVES
from training.plans.detector_plans import check_preprocessing, check_sides
from training.plans.training_schedule import TrainingSchedule

CLASSIFIER_STRIDE = 8  # pixels for each cell of the map


class ClassifierPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Input size, channels, and training settings of a classifier."""

    name: str
    width: int = 288
    height: int = 288
    channels: tuple[int, int, int, int] = (16, 32, 80, 128)
    preprocessing: str = AREA_HALVES
    held_out: float = 0.15  # of the training pictures
    synthetic_share: float = 0.3  # of the normal pictures get a synthetic defect: anomalous, then
    max_epoch_pictures: int = 1280
    batch: int = 32
    schedule: TrainingSchedule = TrainingSchedule(epochs=80, patience=25, max_learning_rate=4e-3)

    def __post_init__(self) -> None:
        check_preprocessing(self.preprocessing)
        check_sides(CLASSIFIER_STRIDE, self.width, self.height)


CLASSIFIER_PLANS = {
    plan.name: plan
    for plan in (
        ClassifierPlan(name="classifier-288"),
        ClassifierPlan(name="classifier-128", width=128, height=128),
    )
}
