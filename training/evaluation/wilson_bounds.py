"""Confidence bounds of a share. Pure."""

import math

Z_95 = 1.959964


def compute_share_bounds(hits: int, of: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson's 95 % interval of a share; (0, 1) if `of` is 0."""
    if of == 0:
        return 0.0, 1.0
    share = hits / of
    middle = share + z * z / (2 * of)
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    scale = 1 + z * z / of
    low = (middle - half) / scale if hits else 0.0
    high = (middle + half) / scale if hits < of else 1.0
    return low, high
