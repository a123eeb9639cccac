"""Plans of the methods that learn from normal pictures: VAE, student and teacher."""

import msgspec

from sightline.vision.preprocess import AREA_HALVES
from training.plans.detector_plans import check_preprocessing, check_sides
from training.plans.training_schedule import TrainingSchedule

VAE_STRIDE = 16
STUDENT_TEACHER_STRIDE = 16  # pixels for each cell of the coarsest features


class VaePlan(msgspec.Struct, frozen=True, kw_only=True):
    """Input size, channels at 1/2 to 1/16, channels of the code, and training settings."""

    name: str
    width: int
    height: int
    channels: tuple[int, int, int, int] = (16, 32, 48, 64)
    code: int = 6
    code_weight: float = 0.02  # of the code's divergence from a normal distribution, by pixel
    crop: int = 160
    crops_per_picture: int = 4  # in an epoch
    preprocessing: str = AREA_HALVES
    held_out: float = 0.1  # of the normal pictures
    batch: int = 16
    schedule: TrainingSchedule = TrainingSchedule(epochs=40, patience=12, max_learning_rate=2e-3)

    def __post_init__(self) -> None:
        check_preprocessing(self.preprocessing)
        check_sides(VAE_STRIDE, self.width, self.height, self.crop)
        if self.crop > min(self.width, self.height):
            raise ValueError(
                f"crop: found {self.crop}; the picture has {self.width} x {self.height}"
            )


VAE_PLANS = {
    plan.name: plan
    for plan in (
        VaePlan(name="vae-512", width=512, height=384),
        VaePlan(name="vae-256", width=256, height=192, crop=128),
    )
}


class StudentTeacherPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Input size, channels of the features (1/2, 1/4, 1/8) and of the judge, and training settings."""

    name: str
    width: int
    height: int
    channels: tuple[int, int, int] = (16, 32, 64)
    judge: int = 32
    crop: int = 192
    crops_per_picture: int = 3  # in an epoch
    max_flaws: int = 16
    max_flaw_px: float = 100.0
    overlay_share: float = 0.25  # of the crops are overlaid with another crop
    preprocessing: str = AREA_HALVES
    held_out: float = 0.1  # of the normal pictures
    batch: int = 8
    teacher: TrainingSchedule = TrainingSchedule(epochs=4, patience=4, max_learning_rate=2e-3)
    schedule: TrainingSchedule = TrainingSchedule(epochs=40, patience=12, max_learning_rate=2e-3)

    def __post_init__(self) -> None:
        check_preprocessing(self.preprocessing)
        check_sides(STUDENT_TEACHER_STRIDE, self.width, self.height, self.crop)


STUDENT_TEACHER_PLANS = {
    plan.name: plan
    for plan in (
        StudentTeacherPlan(name="student-teacher-512", width=512, height=384),
        StudentTeacherPlan(
            name="student-teacher-256", width=256, height=192, crop=128, max_flaw_px=50.0
        ),
    )
}
