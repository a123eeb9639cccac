"""status.json: what runs, how often it was started again, and what it costs; replaced as a whole."""

import asyncio
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from hil.nucleus.lifecycle import ComponentLifecycle

log = logging.getLogger(__name__)
INTERVAL_S = 0.5
LOOK_FOR_MEMBERS_S = 2.0
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20
_SESSION, _USER, _SYSTEM, _RESIDENT = 3, 11, 12, 21  # fields of /proc/PID/stat after the name


class StatusFile:
    """Writes the status each half second and on each change."""

    def __init__(self, path: Path, components: Sequence[ComponentLifecycle]) -> None:
        self._path = path
        self._components = components
        self._greatest_mib: dict[str, float] = {}
        self._members: dict[int, list[int]] = {}
        self._looked_s = 0.0
        self._scheduled = False

    async def keep(self) -> None:
        """Write until cancelled."""
        while True:
            self.write()
            await asyncio.sleep(INTERVAL_S)

    def changed(self) -> None:
        """Write soon; many changes at once make one write."""
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self.write)

    def write(self) -> None:
        """Replace the file."""
        self._scheduled = False
        self._look_for_members()
        components = {
            component.name: self._entry(component)
            for component in self._components
            if component.has_process
        }
        content = msgspec.json.encode({"pid": os.getpid(), "components": components})
        temporary = self._path.with_name(f".{self._path.name}")
        try:
            temporary.write_bytes(content)
            temporary.replace(self._path)
        except OSError as error:
            log.error("%s cannot be written: %s", self._path, error)

    def _entry(self, component: ComponentLifecycle) -> dict[str, Any]:
        pid = component.child.pid if component.child is not None else None
        cpu_seconds, resident_mib = component.cpu_seconds_before, 0.0
        for member in self._members.get(pid, [pid]) if pid is not None else []:
            seconds, mib = usage(member)
            cpu_seconds += seconds
            resident_mib += mib
        greatest = max(self._greatest_mib.get(component.name, 0.0), resident_mib)
        self._greatest_mib[component.name] = greatest
        return {
            "state": component.state,
            "pid": pid,
            "restarts": component.restarts,
            "cpu_seconds": round(cpu_seconds, 3),
            "max_rss_mib": round(greatest, 1),
        }

    def _look_for_members(self) -> None:
        now_s = time.monotonic()
        leaders = {c.child.pid for c in self._components if c.child is not None}
        if now_s - self._looked_s < LOOK_FOR_MEMBERS_S and leaders == set(self._members):
            return
        self._looked_s = now_s
        self._members = {leader: [leader] for leader in leaders}
        for entry in (path.name for path in Path("/proc").iterdir()) if leaders else ():
            session = _session_of(entry)
            if session in self._members and int(entry) != session:
                self._members[session].append(int(entry))


def usage(pid: int) -> tuple[float, float]:
    """CPU seconds and resident MiB of a process; zeros if it is gone."""
    fields = _stat(str(pid))
    if not fields:
        return 0.0, 0.0
    ticks = int(fields[_USER]) + int(fields[_SYSTEM])
    return ticks / _TICKS_PER_SECOND, int(fields[_RESIDENT]) * _PAGE_MIB


def _session_of(entry: str) -> int:
    fields = _stat(entry) if entry.isdigit() else []
    return int(fields[_SESSION]) if fields else 0


def _stat(pid: str) -> list[str]:
    try:
        text = Path("/proc", pid, "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()
