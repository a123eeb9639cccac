"""One component's life: install, run, start again with back-off when it dies, shut down."""

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hil.nucleus.child import Child
from hil.nucleus.recipes import Recipe, Step, filled_in

log = logging.getLogger(__name__)
FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 30.0
SETTLED_AFTER_S = 10.0  # a process that ran this long starts again with the first wait
GRACE_S = 8.0  # less than the 10 s that whoever ends the nucleus gives it
INSTALL_ATTEMPTS = 3
STATES_REPORTED = ("RUNNING", "ERRORED")

State = Literal[
    "NEW", "INSTALLED", "STARTING", "RUNNING", "STOPPING", "ERRORED", "FINISHED", "BROKEN"
]


@dataclass(frozen=True)
class Surroundings:
    """What a component's scripts are given."""

    work_folder: Path
    log_file: Path
    marker: Path
    environment: Mapping[str, str]
    variables: Callable[[str], str | None]


class ComponentLifecycle:
    """Drives one component; `changed` is called on each change of state."""

    def __init__(
        self, recipe: Recipe, surroundings: Surroundings, changed: Callable[[], None]
    ) -> None:
        self.name = recipe.component_name
        self.state: State = "NEW"
        self.restarts = 0
        self.cpu_seconds_before = 0.0
        self.child: Child | None = None
        self.ready = asyncio.Event()  # running or finished: what depends on it may start
        self.settled = asyncio.Event()  # ready, or known to have failed
        self._recipe = recipe
        self._steps = recipe.manifest().lifecycle
        self._surroundings = surroundings
        self._changed = changed
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._wanted_restart = False

    @property
    def has_process(self) -> bool:
        """Whether the component has a step that runs."""
        return self._steps.run is not None

    def start(self, dependencies: Mapping[str, "ComponentLifecycle"]) -> None:
        """Begin: wait for the dependencies, install, run, and run again."""
        self._task = asyncio.get_running_loop().create_task(self._live(dependencies))

    async def stop(self) -> None:
        """End the process and stay down."""
        self._stopping = True
        if self._task is None:
            return
        if self.child is not None:
            self._set_state("STOPPING")
            await self._run_shutdown()
            await self.child.stop(GRACE_S)
        else:
            self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._set_state("FINISHED")

    def restart(self) -> None:
        """End the process, so that it is started again without a wait."""
        if self.child is not None:
            self._wanted_restart = True
            self._spawn_stop(self.child)

    def report_state(self, state: str) -> bool:
        """Take the component's word on its state; False if it is none it can report."""
        if state not in STATES_REPORTED or self.child is None:
            return False
        self._set_state("RUNNING" if state == "RUNNING" else "ERRORED")
        if state == "ERRORED":
            self._spawn_stop(self.child)
        return True

    async def _live(self, dependencies: Mapping[str, "ComponentLifecycle"]) -> None:
        for name, dependency in self._recipe.component_dependencies.items():
            if name in dependencies:
                other = dependencies[name]
                hard = dependency.dependency_type == "HARD"
                await (other.ready if hard else other.settled).wait()
        if not await self._install():
            self._set_state("BROKEN")
            return
        run = self._steps.step("run")
        if run is None:
            self._set_state("FINISHED")
        else:
            await self._keep_running(run)

    async def _install(self) -> bool:
        step = self._steps.step("install")
        self._surroundings.work_folder.mkdir(parents=True, exist_ok=True)
        if step is None or self._is_installed(step):
            self._set_state("INSTALLED")
            return True
        for attempt in range(INSTALL_ATTEMPTS):
            if attempt:
                await asyncio.sleep(FIRST_WAIT_S * 2**attempt)
            code = await self._run_to_end(step)
            if code == 0:
                self._surroundings.marker.write_text(self._fingerprint(step))
                self._set_state("INSTALLED")
                return True
            log.error("%s: its install step ended with %s", self.name, code)
            self._set_state("ERRORED")
        return False

    async def _keep_running(self, step: Step) -> None:
        wait_s = FIRST_WAIT_S
        while True:
            self._wanted_restart = False
            started_s = time.monotonic()
            code = await self._run_once(step)
            if self._stopping:
                return
            if code == 0 and not self._wanted_restart and self.state != "ERRORED":
                log.info("%s finished", self.name)
                self._set_state("FINISHED")
                return
            if self._wanted_restart:
                continue
            self.restarts += 1
            log.error("%s ended with %s; it is started again", self.name, code)
            self._set_state("ERRORED")
            if time.monotonic() - started_s >= SETTLED_AFTER_S:
                wait_s = FIRST_WAIT_S
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)

    async def _run_once(self, step: Step) -> int:
        self._set_state("STARTING")
        self.child = self._child(step)
        self._set_state("RUNNING")
        try:
            code = await self.child.wait()
            self.cpu_seconds_before += self.child.cpu_seconds
        finally:
            self.child = None
        return code

    async def _run_shutdown(self) -> None:
        step = self._steps.step("shutdown")
        if step is not None:
            code = await self._run_to_end(step)
            if code != 0:
                log.error("%s: its shutdown step ended with %s", self.name, code)

    async def _run_to_end(self, step: Step) -> int:
        child = self._child(step)
        try:
            return await asyncio.wait_for(child.wait(), step.timeout)
        except asyncio.TimeoutError:
            log.error("%s: a step took more than %.0f s", self.name, step.timeout)
            return await child.stop(GRACE_S)
        except asyncio.CancelledError:
            await child.stop(GRACE_S)
            raise

    def _child(self, step: Step) -> Child:
        given = self._surroundings
        return Child(
            filled_in(step.script, given.variables),
            given.work_folder,
            {**given.environment, **self._own_environment(step)},
            given.log_file,
        )

    def _own_environment(self, step: Step) -> dict[str, str]:
        variables = self._surroundings.variables
        return {name: filled_in(value, variables) for name, value in step.setenv.items()}

    def _spawn_stop(self, child: Child) -> None:
        task = asyncio.get_running_loop().create_task(child.stop(GRACE_S))
        self._stops = task  # kept so that it is not collected before it is done

    def _is_installed(self, step: Step) -> bool:
        marker = self._surroundings.marker
        return marker.exists() and marker.read_text() == self._fingerprint(step)

    def _fingerprint(self, step: Step) -> str:
        script = filled_in(step.script, self._surroundings.variables)
        digest = hashlib.sha256(script.encode()).hexdigest()
        return f"{self._recipe.component_version} {digest}"

    def _set_state(self, state: State) -> None:
        self.state = state
        if state in ("RUNNING", "FINISHED"):
            self.ready.set()
        if state in ("RUNNING", "FINISHED", "ERRORED", "BROKEN"):
            self.settled.set()
        self._changed()
