"""A run's processes: started in their own process groups, logged to files, always stopped."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class StationFailedError(RuntimeError):
    """The station did not start, or one of its processes ended or does not answer."""


class StationProcess:
    """A child process that ends with its parent, however the parent ends."""

    def __init__(
        self,
        name: str,
        module: Sequence[str],
        log_folder: Path,
        environment: dict[str, str],
        grace_s: float = 10.0,
    ) -> None:
        self.name = name
        self.log_file = log_folder / f"{name}.log"
        self._grace_s = grace_s
        with self.log_file.open("ab") as log:
            self._popen = subprocess.Popen(
                [sys.executable, "-u", "-m", *module],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._popen.pid

    def exit_code(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._popen.poll()

    def write_line(self, line: str) -> None:
        """Write one line to its standard input."""
        pipe: IO[bytes] | None = self._popen.stdin
        if pipe is not None:
            pipe.write(line.encode() + b"\n")
            pipe.flush()

    def log_tail(self, lines: int = 12) -> str:
        """The end of its log, for an error message."""
        text = self.log_file.read_text(errors="replace").strip().splitlines()
        return "\n".join(text[-lines:])

    def request_stop(self) -> None:
        """Send SIGTERM."""
        if self._popen.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._popen.stdin.close()
        self._signal(signal.SIGTERM)

    def stop(self) -> None:
        """Send SIGTERM, then kill the whole process group."""
        self.request_stop()
        try:
            self._popen.wait(self._grace_s)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._popen.wait()

    def kill(self) -> None:
        """Kill it, as a power cut would."""
        self._signal(signal.SIGKILL)
        self._popen.wait()
        if self._popen.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._popen.stdin.close()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, number)


def wait_for_file(path: Path, process: StationProcess, timeout_s: float) -> str:
    """Wait for the file that a started process writes; StationFailedError if it ended or took too long."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError):
            text = path.read_text().strip()
            if text:
                return text
        if process.exit_code() is not None:
            break
        time.sleep(0.02)
    raise StationFailedError(f"{process.name} did not start:\n{process.log_tail()}")


def _end_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
