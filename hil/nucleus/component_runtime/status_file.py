"""Writes status.json: components with state, restarts and usage; replaced atomically."""

import asyncio
import logging
import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec

from hil.nucleus.component_runtime.component_lifecycle import ComponentLifecycle
from hil.nucleus.nucleus_files.damaged_files import ensure_file_path
from hil.nucleus.nucleus_files.log_tail import read_log_tail
from hil.nucleus.supervision.process_usage import list_session_members, read_process_usage

log = logging.getLogger(__name__)
INTERVAL_S = 0.5
MEMBERS_INTERVAL_S = 2.0


class StatusFile:
    """Writes the status every half second and on each change."""

    def __init__(self, path: Path, components: Collection[ComponentLifecycle]) -> None:
        self._path = path
        ensure_file_path(path)
        self._components = components
        self._max_mib: dict[str, float] = {}
        self._members: dict[int, list[int]] = {}
        self._members_read_s = 0.0
        self._scheduled = False

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            self.write()
            await asyncio.sleep(INTERVAL_S)

    def schedule_write(self) -> None:
        """Write soon; several changes share one write."""
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self.write)

    def write(self) -> None:
        """Replace the file."""
        self._scheduled = False
        self._refresh_members()
        components = {
            component.name: self._build_status_entry(component)
            for component in self._components
            if component.has_process
        }
        content = msgspec.json.encode(
            {
                "pid": os.getpid(),
                "deployed": [component.name for component in self._components],
                "components": components,
            }
        )
        temporary = self._path.with_name(f".{self._path.name}")
        try:
            temporary.write_bytes(content)
            temporary.replace(self._path)
        except OSError as error:
            log.error("cannot write %s: %s", self._path, error)

    def _build_status_entry(self, component: ComponentLifecycle) -> dict[str, Any]:
        pid = component.child.pid if component.child is not None else None
        cpu_seconds, resident_mib = component.cpu_seconds_before, 0.0
        for member in self._members.get(pid, [pid]) if pid is not None else []:
            seconds, mib = read_process_usage(member)
            cpu_seconds += seconds
            resident_mib += mib
        greatest = max(self._max_mib.get(component.name, 0.0), resident_mib)
        self._max_mib[component.name] = greatest
        down: dict[str, Any] = {"reason": component.reason} if component.reason else {}
        if component.state == "BROKEN":
            down["last_words"] = read_log_tail(component.log_file)
        return {
            "state": component.state,
            **down,
            "pid": pid,
            "restarts": component.restarts,
            "cpu_seconds": round(cpu_seconds, 3),
            "max_rss_mib": round(greatest, 1),
        }

    def _refresh_members(self) -> None:
        now_s = time.monotonic()
        leaders = {c.child.pid for c in self._components if c.child is not None}
        if now_s - self._members_read_s < MEMBERS_INTERVAL_S and leaders == set(self._members):
            return
        self._members_read_s = now_s
        self._members = list_session_members(leaders)
