"""How tags move together: a running correlation, and how far a reading breaks it.

Readings come as deviations of each tag from its own usual level, in its own usual spread. The distance
is Mahalanobis's under the running correlation, shrunk towards "no tag depends on another" while little
is known, so that it can always be inverted. A tag that is missing leaves the others' distance as it is.
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
Places = NDArray[np.intp]  # of tags in the group


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
        self._known: Vector = np.zeros((tags, tags))  # intervals in which both tags were there

    def count_intervals(self, places: Places) -> int:
        """The intervals in which each two of these tags were there; 0 for fewer than two tags."""
        return 0 if len(places) < 2 else int(self._known[np.ix_(places, places)].min())

    def measure_distance(self, deviations: Vector, places: Places) -> MahalanobisDistance:
        """How far the deviations of the tags at these places are from what is usual together."""
        precision = np.linalg.inv(self.correlation_matrix(places))
        weighted = precision @ deviations
        # What each tag adds when the others are known: the square of its own conditional deviation.
        own = weighted * weighted / np.diag(precision)
        return MahalanobisDistance(max(float(deviations @ weighted), 0.0), int(np.argmax(own)))

    def learn(self, deviations: Vector, places: Places) -> None:
        """Take one interval's deviations of the tags at these places into the mean and covariance."""
        pairs = np.ix_(places, places)
        self._known[pairs] = np.minimum(self._known[pairs] + 1, MEMORY_INTERVALS)
        share = 1.0 / (self._known[pairs] + self._tags)
        clipped = np.clip(deviations, -MAX_LEARNED_DEVIATION, MAX_LEARNED_DEVIATION)
        apart = clipped - self._mean[places]
        self._mean[places] += np.diag(share) * apart
        self._products[pairs] = (1 - share) * (
            self._products[pairs] + share * np.outer(apart, apart)
        )

    def correlation_matrix(self, places: Places) -> Vector:
        """The correlation matrix of these tags, shrunk towards the identity until it can be inverted."""
        pairs = np.ix_(places, places)
        products = self._products[pairs]
        spread = np.sqrt(np.maximum(np.diag(products), MIN_TAG_VARIANCE))
        correlation = products / np.outer(spread, spread)
        np.fill_diagonal(correlation, 1.0)
        known = float(self._known[pairs].min())
        shrinkage = max(MIN_SHRINKAGE, self._tags / (known + self._tags))
        while not _is_positive(shrunk := _shrink(correlation, shrinkage)):
            shrinkage = (1 + shrinkage) / 2  # tags that were there at different times
        return shrunk


def _shrink(correlation: Vector, shrinkage: float) -> Vector:
    result: Vector = (1 - shrinkage) * correlation + shrinkage * np.eye(len(correlation))
    return result


def _is_positive(matrix: Vector) -> bool:
    return bool(np.linalg.eigvalsh(matrix)[0] >= MIN_SHRINKAGE / 2)


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
