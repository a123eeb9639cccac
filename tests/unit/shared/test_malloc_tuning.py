"""What a picture's memory cost once it does not cost again with each part."""

import ctypes
import subprocess
import sys

import pytest

ROUNDS = 30
PICTURE_BYTES = 1280 * 720 * 3
PAGES = PICTURE_BYTES // 4096

PROGRAM = f"""
import resource, sys, threading
import numpy as np
from sightline.kernel.malloc_tuning import retain_freed_memory

def parts(rounds):
    for _ in range(rounds):
        pictures = [np.full({PICTURE_BYTES}, 1, np.uint8) for _ in range(4)]
        del pictures

def count():
    parts(3)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    parts({ROUNDS})
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

if "keep" in sys.argv:
    assert retain_freed_memory()
thread = threading.Thread(target=count)  # as helpers of the part in hand: with memory of its own
thread.start()
thread.join()
"""


def page_faults(*words: str) -> int:
    run = [sys.executable, "-c", PROGRAM, *words]
    return int(subprocess.run(run, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="no mallopt in the C library")
def test_the_pages_of_a_part_s_pictures_are_had_from_the_kernel_once() -> None:
    assert page_faults() > ROUNDS * PAGES  # without it: each picture's pages, each time
    assert page_faults("keep") < PAGES
