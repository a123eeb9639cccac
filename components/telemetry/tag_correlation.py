"""How tags move together: a running correlation, and how far a reading breaks it.

Readings come as deviations of each tag from its own usual level, in its own usual spread. The distance
is Mahalanobis's under the running correlation, shrunk towards "no tag depends on another" while little
is known, so that it can always be inverted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MEMORY_INTERVALS = 2_000
MIN_SHRINKAGE = 0.02
MAX_LEARNED_DEVIATION = 4.0  # deviations: an outlier must not bend the correlation towards itself
MIN_TAG_VARIANCE = 0.25  # a tag that hardly moves has no correlation worth knowing

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class MahalanobisDistance:
    """The squared Mahalanobis distance, and the place of the tag that the others explain least."""

    squared: float
    cause: int


class RunningCorrelation:
    """The correlation of a group of tags, learned interval by interval."""

    def __init__(self, tags: int) -> None:
        self._tags = tags
        self._mean: Vector = np.zeros(tags)
        self._products: Vector = np.eye(tags)
        self._known = 0

    def measure_distance(self, deviations: Vector) -> MahalanobisDistance:
        """How far these deviations are from what is usual together."""
        precision = np.linalg.inv(self.correlation_matrix())
        weighted = precision @ deviations
        # What each tag adds when the others are known: the square of its own conditional deviation.
        own = weighted * weighted / np.diag(precision)
        return MahalanobisDistance(max(float(deviations @ weighted), 0.0), int(np.argmax(own)))

    def learn(self, deviations: Vector) -> None:
        """Take one interval's deviations into the running mean and covariance."""
        self._known = min(self._known + 1, MEMORY_INTERVALS)
        share = 1.0 / (self._known + self._tags)
        clipped = np.clip(deviations, -MAX_LEARNED_DEVIATION, MAX_LEARNED_DEVIATION)
        apart = clipped - self._mean
        self._mean = self._mean + share * apart
        self._products = (1 - share) * (self._products + share * np.outer(apart, apart))

    def correlation_matrix(self) -> Vector:
        """The correlation matrix, shrunk towards the identity."""
        spread = np.sqrt(np.maximum(np.diag(self._products), MIN_TAG_VARIANCE))
        correlation = self._products / np.outer(spread, spread)
        np.fill_diagonal(correlation, 1.0)
        shrinkage = max(MIN_SHRINKAGE, self._tags / (self._known + self._tags))
        result: Vector = (1 - shrinkage) * correlation + shrinkage * np.eye(self._tags)
        return result


def group_related_tags(related: Sequence[tuple[str, Sequence[str]]]) -> list[tuple[str, ...]]:
    """Tags that move together, from each tag's word on its relations; a tag alone is no group.

    Relations to tags that are not listed themselves do not count.
    """
    group_of: dict[str, list[str]] = {tag: [tag] for tag, _ in related}
    for tag, others in related:
        for other in others:
            if other in group_of and group_of[other] is not group_of[tag]:
                joined = group_of[tag] + group_of[other]
                group_of.update(dict.fromkeys(joined, joined))
    found = {id(group): tuple(sorted(group)) for group in group_of.values() if len(group) > 1}
    return list(found.values())
