"""A child process in a session of its own that ends, with all it started, when the nucleus does."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

BEGIN = Path(__file__).with_name("begin_script.py")


class Child:
    """A running shell script; made inside the event loop, which learns of its end by a pidfd."""

    def __init__(
        self, script: str, folder: Path, environment: Mapping[str, str], log_file: Path
    ) -> None:
        with log_file.open("ab") as log:
            self._popen = subprocess.Popen(
                [sys.executable, "-I", "-S", str(BEGIN), str(os.getpid()), script],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._popen.pid
        self.cpu_seconds = 0.0
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._descriptor = os.pidfd_open(self.pid)
        self._loop.add_reader(self._descriptor, self._reap)

    async def wait(self) -> int:
        """The exit code, or minus the number of the signal that ended it."""
        return await asyncio.shield(self._ended)

    async def stop(self, grace_s: float) -> int:
        """SIGTERM to all of its session's group, SIGKILL after the grace; returns the exit code."""
        self._signal(signal.SIGTERM)
        try:
            return await asyncio.wait_for(self.wait(), grace_s)
        except asyncio.TimeoutError:
            self._signal(signal.SIGKILL)
            return await self.wait()

    def _signal(self, number: signal.Signals) -> None:
        if not self._ended.done():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def _reap(self) -> None:
        self._loop.remove_reader(self._descriptor)
        self._signal(signal.SIGKILL)  # while the leader is not reaped, the group's number is ours
        _, status, usage = os.wait4(self.pid, 0)
        os.close(self._descriptor)
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        code = os.waitstatus_to_exitcode(status)
        self._popen.returncode = code
        self._ended.set_result(code)
