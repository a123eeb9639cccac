"""Near-duplicates across a split, by perceptual hash: such pictures are learned by heart, not understood."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.datasets import Picture
from training.small_pictures import small_grey

KEPT = 16  # low frequencies each way; with 8 all pictures of one product look alike
BITS = KEPT * KEPT
NEAR_BITS = (
    24  # the same picture again differs in fewer, another part of the same product in some 40
)
VIEWS = 8  # a turned or mirrored copy is a copy
SHOWN = 20
Hashes = NDArray[np.uint8]


@dataclass(frozen=True)
class Twin:
    """A picture, the most similar one of the training part, and in how many of 256 bits they differ."""

    picture: Picture
    like: Picture
    bits: int


def hash_of(grey: NDArray[np.uint8]) -> Hashes:
    """(32,) bytes: which of 256 low frequencies of the small picture lie above their median."""
    frequencies = cv2.dct(grey.astype(np.float32))[:KEPT, :KEPT].ravel()
    bits = frequencies > np.median(frequencies[1:])  # the first one is the brightness
    packed: Hashes = np.packbits(bits)
    return packed


def hashes_of(pictures: Sequence[Picture], views: int = 1) -> Hashes:
    """(views, K, 32) bytes: as they are, then turned and mirrored."""
    found = []
    for picture in pictures:
        small = small_grey(picture)
        found.append([hash_of(view_of(small, view)) for view in range(views)])
    packed: Hashes = np.array(found, np.uint8).reshape(-1, views, BITS // 8)
    by_view: Hashes = packed.transpose(1, 0, 2)
    return by_view


def view_of(grey: NDArray[np.uint8], view: int) -> NDArray[np.uint8]:
    """The picture turned by `view` % 4 quarters, from 4 on mirrored."""
    turned = np.rot90(grey, view % 4)
    chosen: NDArray[np.uint8] = np.ascontiguousarray(turned[:, ::-1] if view >= 4 else turned)
    return chosen


def differing_bits(one: Hashes, other: Hashes) -> NDArray[np.int64]:
    """(A, B): in how many bits each hash differs from each."""
    ones = np.unpackbits(one, axis=1).astype(np.float32)
    others = np.unpackbits(other, axis=1).astype(np.float32)
    counts = ones @ (1 - others.T) + (1 - ones) @ others.T  # exact: small whole numbers
    whole: NDArray[np.int64] = np.rint(counts).astype(np.int64)
    return whole


def twins_across(pictures: Sequence[Picture], training: Sequence[Picture]) -> list[Twin]:
    """The pictures that have a near-duplicate in the training part, most alike first."""
    if not pictures or not training:
        return []
    own = hashes_of(pictures)[0]
    bits = np.min([differing_bits(own, like) for like in hashes_of(training, VIEWS)], axis=0)
    rows = bits.argmin(axis=1)
    twins = [
        Twin(picture, training[row], int(bits[index, row]))
        for index, (picture, row) in enumerate(zip(pictures, rows, strict=True))
        if bits[index, row] <= NEAR_BITS
    ]
    return sorted(twins, key=lambda twin: twin.bits)


def duplicate_figures(pictures: Sequence[Picture], training: Sequence[Picture]) -> dict[str, Any]:
    """How many pictures have a near-duplicate in the training part, and some of them by name."""
    twins = twins_across(pictures, training)
    return {
        "pictures": len(pictures),
        "with_a_near_duplicate_in_training": len(twins),
        "of_them_identical_by_hash": sum(twin.bits == 0 for twin in twins),
        "greatest_difference_bits": NEAR_BITS,
        "of_bits": BITS,
        "examples": [
            {"picture": twin.picture.name, "like": twin.like.name, "bits": twin.bits}
            for twin in twins[:SHOWN]
        ],
    }
