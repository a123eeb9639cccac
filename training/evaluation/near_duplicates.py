"""Near-duplicates across a split, by perceptual hash: a model can memorise such pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.datasets import LabelledPicture
from training.evaluation.thumbnails import load_thumbnail

LOW_FREQUENCIES = 16  # in each direction; with 8 all pictures of one product look alike
HASH_BITS = LOW_FREQUENCIES * LOW_FREQUENCIES
# copies of a picture differ in fewer bits, pictures of other parts of a product in about 40
MAX_DIFFERING_BITS = 24
COMPARED_VIEWS = 8  # rotated and mirrored copies count, too
MAX_LISTED_DUPLICATES = 20
Hashes = NDArray[np.uint8]


@dataclass(frozen=True)
class NearDuplicate:
    """A picture, the most similar training picture, and how many of 256 hash bits differ."""

    picture: LabelledPicture
    training_picture: LabelledPicture
    differing_bits: int


def compute_hash(grey: NDArray[np.uint8]) -> Hashes:
    """(32,) bytes: which of the thumbnail's 256 low frequencies are above their median."""
    frequencies = cv2.dct(grey.astype(np.float32))[:LOW_FREQUENCIES, :LOW_FREQUENCIES].ravel()
    bits = frequencies > np.median(frequencies[1:])  # the first one is the brightness
    packed: Hashes = np.packbits(bits)
    return packed


def compute_hashes(pictures: Sequence[LabelledPicture], views: int = 1) -> Hashes:
    """(views, K, 32) bytes: hashes as they are, then rotated and mirrored."""
    found = []
    for picture in pictures:
        small = load_thumbnail(picture)
        found.append([compute_hash(turn_picture(small, view)) for view in range(views)])
    packed: Hashes = np.array(found, np.uint8).reshape(-1, views, HASH_BITS // 8)
    by_view: Hashes = packed.transpose(1, 0, 2)
    return by_view


def turn_picture(grey: NDArray[np.uint8], view: int) -> NDArray[np.uint8]:
    """The picture rotated by `view` % 4 quarter turns, from 4 on mirrored."""
    turned = np.rot90(grey, view % 4)
    chosen: NDArray[np.uint8] = np.ascontiguousarray(turned[:, ::-1] if view >= 4 else turned)
    return chosen


def count_differing_bits(one: Hashes, other: Hashes) -> NDArray[np.int64]:
    """(A, B): the number of differing bits of each pair of hashes."""
    ones = np.unpackbits(one, axis=1).astype(np.float32)
    others = np.unpackbits(other, axis=1).astype(np.float32)
    counts = ones @ (1 - others.T) + (1 - ones) @ others.T  # exact: small whole numbers
    whole: NDArray[np.int64] = np.rint(counts).astype(np.int64)
    return whole


def find_near_duplicates(
    pictures: Sequence[LabelledPicture], training: Sequence[LabelledPicture]
) -> list[NearDuplicate]:
    """The pictures with a near-duplicate in the training part, most similar first."""
    if not pictures or not training:
        return []
    own = compute_hashes(pictures)[0]
    bits = np.min(
        [count_differing_bits(own, like) for like in compute_hashes(training, COMPARED_VIEWS)],
        axis=0,
    )
    rows = bits.argmin(axis=1)
    duplicates = [
        NearDuplicate(picture, training[row], int(bits[index, row]))
        for index, (picture, row) in enumerate(zip(pictures, rows, strict=True))
        if bits[index, row] <= MAX_DIFFERING_BITS
    ]
    return sorted(duplicates, key=lambda duplicate: duplicate.differing_bits)


def compute_duplicate_figures(
    pictures: Sequence[LabelledPicture], training: Sequence[LabelledPicture]
) -> dict[str, Any]:
    """The number of pictures with a near-duplicate in the training part, and examples."""
    duplicates = find_near_duplicates(pictures, training)
    return {
        "pictures": len(pictures),
        "with_a_near_duplicate_in_training": len(duplicates),
        "of_them_identical_by_hash": sum(duplicate.differing_bits == 0 for duplicate in duplicates),
        "greatest_difference_bits": MAX_DIFFERING_BITS,
        "of_bits": HASH_BITS,
        "examples": [
            {
                "picture": duplicate.picture.name,
                "like": duplicate.training_picture.name,
                "bits": duplicate.differing_bits,
            }
            for duplicate in duplicates[:MAX_LISTED_DUPLICATES]
        ],
    }
