"""Keeps freed memory for the next part: pages had anew from the kernel cost more than the pixels in them."""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
MAX_RETAINED_BLOCK_BYTES = 32 * 2**20  # a larger piece goes back to the kernel at once
MAX_RETAINED_BYTES = 128 * 2**20


def retain_freed_memory() -> bool:
    """For all threads of this process, from now on; False where the C library cannot."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    kept = (
        mallopt(_MMAP_THRESHOLD, MAX_RETAINED_BLOCK_BYTES),
        mallopt(_TRIM_THRESHOLD, MAX_RETAINED_BYTES),
    )
    return all(kept)
