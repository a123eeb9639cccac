"""Bootstrap intervals; whole groups are resampled, since pictures of a group are alike. Pure."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float64]
BOOTSTRAP_DRAWS = 2000
BOUND_PERCENTILES = (2.5, 97.5)
BOOTSTRAP_SEED = 1


def compute_bootstrap_interval(
    units: Sequence[str],
    table: Table,
    statistic: Callable[[Table], Table],
    draws: int = BOOTSTRAP_DRAWS,
) -> tuple[float, float]:
    """95 % bounds of a figure that is computed from sums over pictures.

    `table` (pictures, columns) is summed over the pictures of each draw; `statistic` computes (draws,) from
    the sums (draws, columns). Draws in which the figure is undefined (NaN) are left out.
    """
    names, rows = np.unique(np.asarray(units), return_inverse=True)
    sums = np.zeros((len(names), table.shape[1]))
    np.add.at(sums, rows, table)
    random = np.random.default_rng(BOOTSTRAP_SEED)
    counts = random.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    return compute_percentile_bounds(statistic(counts.astype(np.float64) @ sums))


def draw_samples(units: Sequence[str], draws: int) -> Iterator[NDArray[np.int64]]:
    """Rows of pictures resampled by group, for figures that are not computed from sums."""
    names, rows = np.unique(np.asarray(units), return_inverse=True)
    members = [np.nonzero(rows == number)[0] for number in range(len(names))]
    random = np.random.default_rng(BOOTSTRAP_SEED)
    for _ in range(draws):
        yield np.concatenate([members[g] for g in random.integers(0, len(names), len(names))])


def compute_percentile_bounds(values: Sequence[float] | Table) -> tuple[float, float]:
    """The central 95 % of the values without NaN; (0, 1) if there are none."""
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        return 0.0, 1.0
    low, high = np.percentile(known, BOUND_PERCENTILES)
    return float(low), float(high)


def divide_or_nan(above: Table, below: Table) -> Table:
    """`above` divided by `below`; NaN where `below` is not positive."""
    shares: Table = np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)
    return shares
