"""Keeps the processors awake while parts pass: one that slept is slow to take its next step.

Linux lets a process ask for it at /dev/cpu_dma_latency, which by default only root may open.
"""

import contextlib
import os
import struct
from pathlib import Path

DEVICE = Path("/dev/cpu_dma_latency")
_AWAKE = struct.pack("i", 0)  # the longest time to wake up, in microseconds
_AS_THEY_LIKE = struct.pack("i", 2_000_000_000)


class Wakefulness:
    """Where the device cannot be opened, processors sleep as they like, and nothing else changes."""

    def __init__(self, device: Path = DEVICE) -> None:
        self._descriptor: int | None = None
        self._until_ns: int | None = None
        with contextlib.suppress(OSError):
            self._descriptor = os.open(device, os.O_WRONLY | os.O_CLOEXEC)
            self._ask(_AS_THEY_LIKE)  # to have it open asks already

    @property
    def possible(self) -> bool:
        """Whether the processors can be kept awake here."""
        return self._descriptor is not None

    def keep_until(self, monotonic_ns: int) -> None:
        """Let no processor sleep until then, or until `look` finds later that it is past."""
        if self._until_ns is None:
            self._ask(_AWAKE)
        self._until_ns = monotonic_ns

    def look(self, now_ns: int) -> None:
        """Let them sleep again if the time is over."""
        if self._until_ns is not None and now_ns >= self._until_ns:
            self._until_ns = None
            self._ask(_AS_THEY_LIKE)

    def close(self) -> None:
        """Take the wish back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _ask(self, longest: bytes) -> None:
        if self._descriptor is not None:
            os.write(self._descriptor, longest)
