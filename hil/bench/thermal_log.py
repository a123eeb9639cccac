"""Logs temperatures, clocks and power of a Jetson from /sys to a CSV file every second."""

import csv
import threading
from collections.abc import Iterator
from pathlib import Path

INTERVAL_S = 1.0
SensorReadings = dict[str, float]


def read_sensors(root: Path = Path("/sys")) -> SensorReadings:
    """The current readings by name, in degrees Celsius, MHz and watts; unavailable ones are omitted."""
    found: SensorReadings = {}
    found.update(_read_temperatures(root))
    found.update(_read_clocks(root))
    found.update(_read_power(root))
    return found


class ThermalLog:
    """Reads the sensors every second in its own thread, from `start` to `stop`."""

    def __init__(self, path: Path, root: Path = Path("/sys")) -> None:
        self._path = path
        self._root = root
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="thermal-log", daemon=True)
        self.rows: list[SensorReadings] = []

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Stop and write the file."""
        self._ended.set()
        self._thread.join()
        names = sorted({name for row in self.rows for name in row})
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["second", *names])
            writer.writeheader()
            for second, row in enumerate(self.rows):
                writer.writerow({"second": second, **row})

    def max_reading(self, unit: str) -> float | None:
        """The maximum reading of a unit (`celsius`, `mhz`, `watts`); None without readings."""
        values = [v for row in self.rows for name, v in row.items() if name.endswith(f"_{unit}")]
        return max(values, default=None)

    def _run(self) -> None:
        while True:
            self.rows.append(read_sensors(self._root))
            if self._ended.wait(INTERVAL_S):
                return


def _read_temperatures(root: Path) -> Iterator[tuple[str, float]]:
    for zone in sorted(root.glob("class/thermal/thermal_zone*")):
        yield from _read_value(f"{_read_text(zone / 'type')}_celsius", zone / "temp", 1e-3)


def _read_clocks(root: Path) -> Iterator[tuple[str, float]]:
    for cpu in sorted(root.glob("devices/system/cpu/cpu[0-9]*")):
        yield from _read_value(f"{cpu.name}_mhz", cpu / "cpufreq" / "scaling_cur_freq", 1e-3)
    for device in sorted(root.glob("class/devfreq/*")):
        yield from _read_value(f"{device.name}_mhz", device / "cur_freq", 1e-6)


def _read_power(root: Path) -> Iterator[tuple[str, float]]:
    for monitor in sorted(root.glob("class/hwmon/hwmon*")):
        for label in sorted(monitor.glob("in*_label")):
            channel = label.name.removeprefix("in").removesuffix("_label")
            millivolts = dict(_read_value("v", monitor / f"in{channel}_input", 1.0))
            milliamperes = dict(_read_value("a", monitor / f"curr{channel}_input", 1.0))
            if millivolts and milliamperes:
                yield f"{_read_text(label)}_watts", millivolts["v"] * milliamperes["a"] / 1e6


def _read_value(name: str, path: Path, factor: float) -> Iterator[tuple[str, float]]:
    try:
        yield name, round(int(path.read_text()) * factor, 3)
    except (OSError, ValueError):
        return  # this machine does not tell it


def _read_text(path: Path) -> str:
    try:
        return path.read_text().strip().replace(" ", "-")
    except OSError:
        return path.parent.name
