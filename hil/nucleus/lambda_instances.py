"""The processes that run a function: started, watched by the clock, ended and replaced.

A pinned function has one instance for good. Others are started when events wait and all instances are
busy, up to the greatest number, and end when they were idle for long enough.
"""

import logging
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from hil.nucleus.lambda_description import LambdaSettings
from hil.nucleus.lambda_work import Work, WorkQueue
from sightline.errors import FatalError

log = logging.getLogger(__name__)
WORKER = Path(__file__).parent / "lambda_modules" / "lambda_worker.py"
START_TIMEOUT_S = 60.0
WATCH_INTERVAL_S = 0.05
GRACE_S = 2.0


class FunctionDoesNotStart(FatalError):
    """The function's process ended, or took too long, before it was ready."""


class Instance:
    """One process and what is known of it."""

    def __init__(self, handler: str, environment: Mapping[str, str]) -> None:
        self.name = uuid.uuid4().hex
        self.ready = False
        self.work: Work | None = None
        self.ending = False
        now_s = time.monotonic()
        self.started_s = self.since_s = self.heard_s = now_s
        self.process = subprocess.Popen(
            [sys.executable, "-u", str(WORKER), handler],
            env={**environment, "LAMBDA_HOST_INSTANCE": self.name},
            stdin=subprocess.DEVNULL,
        )

    def end(self) -> None:
        """SIGTERM, then SIGKILL."""
        self.process.terminate()
        try:
            self.process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Instances:
    """All instances of a function; the server calls from threads of its own."""

    def __init__(
        self, settings: LambdaSettings, environment: Mapping[str, str], work: WorkQueue
    ) -> None:
        self._settings = settings
        self._environment = environment
        self._queue = work
        self._lock = threading.RLock()
        self._instances: dict[str, Instance] = {}

    def keep(self, stopped: threading.Event) -> None:
        """Start, watch and replace instances until stopped; FunctionDoesNotStart if that is so."""
        try:
            while not stopped.wait(WATCH_INTERVAL_S):
                with self._lock:
                    for instance in list(self._instances.values()):
                        self._watch(instance)
                    if self._wants_another():
                        instance = Instance(self._settings.handler, self._environment)
                        self._instances[instance.name] = instance
        finally:
            for instance in self._instances.values():
                instance.end()

    def running(self) -> int:
        """How many there are."""
        with self._lock:
            return len(self._instances)

    def heard(self, name: str, ready: bool = False) -> bool:
        """An instance lives; False if it is none of ours (any more)."""
        with self._lock:
            instance = self._instances.get(name)
            if instance is None:
                return False
            instance.heard_s = time.monotonic()
            if ready:
                instance.ready, instance.since_s = True, instance.heard_s
            return True

    def next_work(self, name: str) -> Work | None:
        """The next event for an instance, or None when it shall end."""
        while self.heard(name):
            work = self._queue.take(WATCH_INTERVAL_S)
            with self._lock:
                instance = self._instances.get(name)
                if instance is None:
                    if work is not None:
                        self._queue.count("failed")
                    return None
                if work is not None:
                    instance.work, instance.since_s = work, time.monotonic()
                    return work
                if self._is_idle(instance):
                    instance.ending = True
                    return None
        return None

    def finished(self, name: str, number: int, failure: str | None) -> None:
        """An instance is done with its event."""
        self._queue.count("failed" if failure else "done")
        with self._lock:
            instance = self._instances.get(name)
            if instance is not None and instance.work is not None:
                instance.work, instance.since_s = None, time.monotonic()

    def _wants_another(self) -> bool:
        parameters = self._settings.parameters
        if parameters.pinned:
            return not self._instances
        busy = all(i.work is not None for i in self._instances.values())
        room = len(self._instances) < parameters.max_instances_count
        return busy and room and self._queue.depth() > 0

    def _is_idle(self, instance: Instance) -> bool:
        parameters = self._settings.parameters
        idle_s = time.monotonic() - instance.since_s
        return not parameters.pinned and idle_s > parameters.max_idle_time_in_seconds

    def _watch(self, instance: Instance) -> None:
        code = instance.process.poll()
        if code is not None:
            self._ended(instance, code)
            return
        problem = self._overdue(instance)
        if problem:
            log.error("%s; its process is replaced", problem)
            instance.end()
            self._ended(instance, instance.process.returncode)

    def _overdue(self, instance: Instance) -> str:
        parameters, now_s = self._settings.parameters, time.monotonic()
        if not instance.ready:
            late = now_s - instance.started_s > START_TIMEOUT_S
            return f"the function was not ready after {START_TIMEOUT_S:.0f} s" if late else ""
        if instance.work and now_s - instance.since_s > parameters.timeout_in_seconds:
            self._queue.count("timed_out")
            return f"event {instance.work.number} took more than {parameters.timeout_in_seconds} s"
        if now_s - instance.heard_s > parameters.status_timeout_in_seconds:
            return f"no word of the function for {parameters.status_timeout_in_seconds} s"
        return ""

    def _ended(self, instance: Instance, code: int) -> None:
        del self._instances[instance.name]
        if not instance.ready:
            raise FunctionDoesNotStart(f"the function's process ended with {code} at its start")
        if not instance.ending:
            log.error("the function's process ended with %s", code)
