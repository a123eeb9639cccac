"""Keeps the processors awake while parts pass: one that slept is slow to take its next step.

Linux lets a process ask for it at /dev/cpu_dma_latency, which by default only root may open.
"""

import contextlib
import os
import struct
from pathlib import Path

CPU_LATENCY_DEVICE = Path("/dev/cpu_dma_latency")
_NO_LATENCY = struct.pack("i", 0)  # the longest time to wake up, in microseconds
_ANY_LATENCY = struct.pack("i", 2_000_000_000)


class CpuLatencyRequest:
    """Where the device cannot be opened, processors sleep as they like, and nothing else changes."""

    def __init__(self, device: Path = CPU_LATENCY_DEVICE) -> None:
        self._descriptor: int | None = None
        self._until_ns: int | None = None
        with contextlib.suppress(OSError):
            self._descriptor = os.open(device, os.O_WRONLY | os.O_CLOEXEC)
            self._write_latency(_ANY_LATENCY)  # to have it open asks already

    @property
    def is_available(self) -> bool:
        """Whether the processors can be kept awake here."""
        return self._descriptor is not None

    def keep_awake_until(self, monotonic_ns: int) -> None:
        """Let no processor sleep until then, or until `look` finds later that it is past."""
        if self._until_ns is None:
            self._write_latency(_NO_LATENCY)
        self._until_ns = monotonic_ns

    def tick(self, now_ns: int) -> None:
        """Let them sleep again if the time is over."""
        if self._until_ns is not None and now_ns >= self._until_ns:
            self._until_ns = None
            self._write_latency(_ANY_LATENCY)

    def close(self) -> None:
        """Take the wish back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _write_latency(self, longest: bytes) -> None:
        if self._descriptor is not None:
            os.write(self._descriptor, longest)
