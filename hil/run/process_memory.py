"""Measures memory, memory growth and processor time of a station's processes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hil.nucleus.supervision.process_usage import read_process_usage

SECONDS_PER_HOUR = 3600.0


@dataclass
class MemorySeries:
    """Resident memory of one process over time; `pids` has several entries after restarts."""

    seconds: list[float] = field(default_factory=list)
    resident_mib: list[float] = field(default_factory=list)
    pids: list[int] = field(default_factory=list)

    def add_sample(self, at_s: float, resident_mib: float, pid: int) -> None:
        """Add one sample."""
        self.seconds.append(at_s)
        self.resident_mib.append(resident_mib)
        if pid not in self.pids:
            self.pids.append(pid)


def slope_mib_per_hour(seconds: Sequence[float], resident_mib: Sequence[float]) -> float:
    """The median slope between all pairs of samples (Theil-Sen), robust against single peaks."""
    times, values = np.asarray(seconds), np.asarray(resident_mib)
    first, second = np.triu_indices(len(times), k=1)
    if not len(first):
        return 0.0
    slopes = (values[second] - values[first]) / (times[second] - times[first])
    return float(np.median(slopes)) * SECONDS_PER_HOUR


def read_resident_mib(pid: int) -> float | None:
    """Resident memory of a process; None if it is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    for line in text.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return None


def read_cpu_seconds(pid: int) -> float:
    """Processor time of a process so far; 0 if it is gone."""
    return read_process_usage(pid)[0]


def find_station_processes(folder: Path) -> Mapping[str, int]:
    """The processes of the station that keeps its files in `folder`: components and nucleus."""
    try:
        status = json.loads((folder / "nucleus" / "status.json").read_text())
    except (FileNotFoundError, ValueError):
        return {}
    components = {
        name.rpartition(".")[2]: int(component["pid"])
        for name, component in status["components"].items()
        if component["pid"] is not None
    }
    return {**components, "nucleus": int(status["pid"])}
