"""A child process in its own session that ends with the nucleus, with all its descendants."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from hil.nucleus.supervision.process_usage import list_session_members

DESCENDANTS_POLL_S = 0.05
BEGIN_SCRIPT = Path(__file__).with_name("begin_script.py")


class ScriptProcess:
    """A running shell script; created in the event loop, which waits for its end by a pidfd."""

    def __init__(
        self,
        script: str,
        folder: Path,
        environment: Mapping[str, str],
        log_file: Path,
        keeps_descendants: bool = False,
    ) -> None:
        with log_file.open("ab") as log:
            self._popen = subprocess.Popen(
                [sys.executable, "-I", "-S", str(BEGIN_SCRIPT), str(os.getpid()), script],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._popen.pid
        self._keeps_descendants = (
            keeps_descendants  # a startup script: its child processes outlive it
        )
        self.cpu_seconds = 0.0
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._descriptor = os.pidfd_open(self.pid)
        self._loop.add_reader(self._descriptor, self._reap_process)

    async def wait(self) -> int:
        """The exit code, or minus the number of the signal that killed it."""
        return await asyncio.shield(self._ended)

    async def stop(self, grace_s: float) -> int:
        """Send SIGTERM to its process group, SIGKILL after the grace period; returns the exit code."""
        self._signal(signal.SIGTERM)
        try:
            code = await asyncio.wait_for(self.wait(), grace_s)
        except asyncio.TimeoutError:
            self._signal(signal.SIGKILL)
            code = await self.wait()
        if self._keeps_descendants:
            await self._end_descendants(grace_s)
        return code

    async def _end_descendants(self, grace_s: float) -> None:
        deadline_s = self._loop.time() + grace_s
        number = signal.SIGTERM
        while others := list_session_members([self.pid])[self.pid]:
            for other in others:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(other, number)
            number = signal.SIGKILL if self._loop.time() > deadline_s else signal.SIGTERM
            await asyncio.sleep(DESCENDANTS_POLL_S)

    def _signal(self, number: signal.Signals) -> None:
        if not self._ended.done():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def _reap_process(self) -> None:
        self._loop.remove_reader(self._descriptor)
        if not self._keeps_descendants:
            self._signal(
                signal.SIGKILL
            )  # while the leader is not reaped, the group's number is ours
        _, status, usage = os.wait4(self.pid, 0)
        os.close(self._descriptor)
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        code = os.waitstatus_to_exitcode(status)
        self._popen.returncode = code
        self._ended.set_result(code)
