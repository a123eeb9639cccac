"""The processes that run a function: started, supervised, ended and replaced.

A pinned function has one permanent instance. Others are started when events wait and all instances are
busy, up to the maximum, and end after an idle time.
"""

import logging
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from hil.nucleus.lambdas.lambda_description import LambdaSettings
from hil.nucleus.lambdas.lambda_event_queue import LambdaEvent, LambdaEventQueue
from sightline.errors import FatalError

log = logging.getLogger(__name__)
WORKER = Path(__file__).parent / "lambda_modules" / "lambda_worker.py"
START_TIMEOUT_S = 60.0
WATCH_INTERVAL_S = 0.05
GRACE_S = 2.0


class FunctionStartError(FatalError):
    """The function's process ended or timed out before it was ready."""


class FunctionInstance:
    """One process and its state."""

    def __init__(self, handler: str, environment: Mapping[str, str]) -> None:
        self.name = uuid.uuid4().hex
        self.ready = False
        self.event: LambdaEvent | None = None
        self.ending = False
        now_s = time.monotonic()
        self.started_s = self.since_s = self.last_heartbeat_s = now_s
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


class FunctionInstances:
    """All instances of a function; the server calls from its own threads."""

    def __init__(
        self, settings: LambdaSettings, environment: Mapping[str, str], work: LambdaEventQueue
    ) -> None:
        self._settings = settings
        self._environment = environment
        self._queue = work
        self._lock = threading.RLock()
        self._instances: dict[str, FunctionInstance] = {}

    def run(self, stopped: threading.Event) -> None:
        """Start, supervise and replace instances until stopped; FunctionStartError if one cannot start."""
        try:
            while not stopped.wait(WATCH_INTERVAL_S):
                with self._lock:
                    for instance in list(self._instances.values()):
                        self._check_instance(instance)
                    if self._needs_another_instance():
                        instance = FunctionInstance(self._settings.handler, self._environment)
                        self._instances[instance.name] = instance
        finally:
            for instance in self._instances.values():
                instance.end()

    def count_running(self) -> int:
        """The number of running instances."""
        with self._lock:
            return len(self._instances)

    def record_heartbeat(self, name: str, ready: bool = False) -> bool:
        """Record an instance's heartbeat; False if it is unknown or was replaced."""
        with self._lock:
            instance = self._instances.get(name)
            if instance is None:
                return False
            instance.last_heartbeat_s = time.monotonic()
            if ready:
                instance.ready, instance.since_s = True, instance.last_heartbeat_s
            return True

    def wait_for_event(self, name: str) -> LambdaEvent | None:
        """The next event for an instance, or None when it should end."""
        while self.record_heartbeat(name):
            work = self._queue.wait_next(WATCH_INTERVAL_S)
            with self._lock:
                instance = self._instances.get(name)
                if instance is None:
                    if work is not None:
                        self._queue.count_outcome("failed")
                    return None
                if work is not None:
                    instance.event, instance.since_s = work, time.monotonic()
                    return work
                if self._is_idle(instance):
                    instance.ending = True
                    return None
        return None

    def finish_event(self, name: str, number: int, failure: str | None) -> None:
        """Record that an instance finished its event."""
        self._queue.count_outcome("failed" if failure else "done")
        with self._lock:
            instance = self._instances.get(name)
            if instance is not None and instance.event is not None:
                instance.event, instance.since_s = None, time.monotonic()

    def _needs_another_instance(self) -> bool:
        parameters = self._settings.parameters
        if parameters.pinned:
            return not self._instances
        busy = all(i.event is not None for i in self._instances.values())
        room = len(self._instances) < parameters.max_instances_count
        return busy and room and self._queue.depth() > 0

    def _is_idle(self, instance: FunctionInstance) -> bool:
        parameters = self._settings.parameters
        idle_s = time.monotonic() - instance.since_s
        return not parameters.pinned and idle_s > parameters.max_idle_time_in_seconds

    def _check_instance(self, instance: FunctionInstance) -> None:
        code = instance.process.poll()
        if code is not None:
            self._remove_ended(instance, code)
            return
        problem = self._find_overdue(instance)
        if problem:
            log.error("%s; replacing its process", problem)
            instance.end()
            self._remove_ended(instance, instance.process.returncode)

    def _find_overdue(self, instance: FunctionInstance) -> str:
        parameters, now_s = self._settings.parameters, time.monotonic()
        if not instance.ready:
            late = now_s - instance.started_s > START_TIMEOUT_S
            return f"the function was not ready after {START_TIMEOUT_S:.0f} s" if late else ""
        if instance.event and now_s - instance.since_s > parameters.timeout_in_seconds:
            self._queue.count_outcome("timed_out")
            return (
                f"event {instance.event.number} timed out after {parameters.timeout_in_seconds} s"
            )
        if now_s - instance.last_heartbeat_s > parameters.status_timeout_in_seconds:
            return f"no heartbeat of the function for {parameters.status_timeout_in_seconds} s"
        return ""

    def _remove_ended(self, instance: FunctionInstance, code: int) -> None:
        del self._instances[instance.name]
        if not instance.ready:
            raise FunctionStartError(
                f"the function's process ended with exit code {code} while starting"
            )
        if not instance.ending:
            log.error("the function's process ended with exit code %s", code)
