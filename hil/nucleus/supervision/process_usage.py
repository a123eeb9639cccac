"""Reads the session, CPU time and memory of processes from /proc."""

import os
from collections.abc import Iterable
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20
_STATE, _SESSION, _USER, _SYSTEM, _RESIDENT = 0, 3, 11, 12, 21  # fields after the name


def read_process_usage(pid: int) -> tuple[float, float]:
    """CPU seconds and resident MiB of a process; zeros if it is gone."""
    fields = _read_process_stat(str(pid))
    if not fields:
        return 0.0, 0.0
    ticks = int(fields[_USER]) + int(fields[_SYSTEM])
    return ticks / _TICKS_PER_SECOND, int(fields[_RESIDENT]) * _PAGE_MIB


def list_session_members(sessions: Iterable[int]) -> dict[int, list[int]]:
    """The running processes of each session, by session id."""
    members: dict[int, list[int]] = {session: [] for session in sessions}
    for entry in (path.name for path in Path("/proc").iterdir()) if members else ():
        fields = _read_process_stat(entry) if entry.isdigit() else []
        if fields and int(fields[_SESSION]) in members and fields[_STATE] not in ("Z", "X"):
            members[int(fields[_SESSION])].append(int(entry))
    return members


def _read_process_stat(pid: str) -> list[str]:
    try:
        text = Path("/proc", pid, "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()
