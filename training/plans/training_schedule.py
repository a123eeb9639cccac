"""How long and how fast a method learns."""

import msgspec


class TrainingSchedule(msgspec.Struct, frozen=True, kw_only=True):
    """Maximum epochs, epochs without improvement before stopping, learning rate, decay and seed."""

    epochs: int
    patience: int
    max_learning_rate: float = 3e-3
    weight_decay: float = 1e-3
    averaging: float = 0.995  # of the weights that are validated and saved
    seed: int = 1
