"""One component's lifecycle: install, run, restart with back-off, shut down."""

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from hil.nucleus.nucleus_files.damaged_files import ensure_file_path, ensure_folder
from hil.nucleus.recipe_files.recipe import ComponentRecipe, LifecycleStep, StepName, fill_variables
from hil.nucleus.supervision.failure_counters import (
    MAX_ERRORS,
    ErrorCounter,
    FailureCounter,
    StartCounter,
)
from hil.nucleus.supervision.script_process import ScriptProcess

log = logging.getLogger(__name__)
MIN_RESTART_WAIT_S, MAX_RESTART_WAIT_S = 0.2, 30.0
STABLE_AFTER_S = 10.0  # a process that ran this long starts again with the first wait
GRACE_S = 8.0  # less than the 10 s after which the nucleus itself is killed
TOOK_TOO_LONG = -1001  # no number of a signal
CANNOT_START = -1002
STATES_REPORTED = ("RUNNING", "ERRORED")

LifecycleState = Literal[
    "NEW", "INSTALLED", "STARTING", "RUNNING", "STOPPING", "ERRORED", "FINISHED", "BROKEN"
]


@dataclass(frozen=True)
class ScriptEnvironment:
    """The environment of a component's scripts."""

    work_folder: Path
    log_file: Path
    marker: Path
    environment: Mapping[str, str]
    variables: Callable[[str], str | None]
    content_digest: str = ""  # of the component's files: it is installed again when they changed


@dataclass(frozen=True)
class LifecycleRules:
    """Rules in which the nuclei differ; `on_down` is called when a process ended by itself."""

    counts_starts: bool = False
    on_down: Callable[[str], None] = lambda name: None


class ComponentLifecycle:
    """Runs one component; `changed` is called on each change of state."""

    def __init__(
        self,
        recipe: ComponentRecipe,
        script_environment: ScriptEnvironment,
        changed: Callable[[], None],
        rules: LifecycleRules | None = None,
    ) -> None:
        self.name = recipe.component_name
        self.state: LifecycleState = "NEW"
        self.restarts = 0
        self.reason = ""  # why it is down; empty while it is not
        self.cpu_seconds_before = 0.0
        self.child: ScriptProcess | None = None
        self.ready = asyncio.Event()  # running or finished: what depends on it may start
        self.started_or_failed = asyncio.Event()  # ready, or known to have failed
        self._recipe = recipe
        self._steps = recipe.matching_manifest().lifecycle
        self._script_environment = script_environment
        self._changed = changed
        self._rules = rules or LifecycleRules()
        reset_s = self._steps.error_reset_time
        self._errors: FailureCounter = (
            StartCounter() if self._rules.counts_starts else ErrorCounter(reset_s)
        )
        self._reported_error_in: LifecycleState | None = None
        self._end_requested = asyncio.Event()  # what a startup step has started is to end
        self._dependencies: Mapping[str, ComponentLifecycle] = {}
        self._after: Sequence[ComponentLifecycle] = ()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._restart_requested = False

    @property
    def log_file(self) -> Path:
        """The log of its scripts."""
        return self._script_environment.log_file

    @property
    def has_process(self) -> bool:
        """Whether a step of the component is running."""
        return self._steps.run is not None or self._steps.startup is not None

    @property
    def only_installs(self) -> bool:
        """Whether it brings files and runs nothing, as models and products do."""
        run = self._steps.step("run")
        ends_at_once = run is None or run.script.strip() == "exit 0"
        return self._steps.install is not None and self._steps.startup is None and ends_at_once

    def scripts(self) -> list[str]:
        """All scripts with the current configuration filled in."""
        steps = [self._steps.step(name) for name in get_args(StepName)]
        variables = self._script_environment.variables
        return [fill_variables(step.script, variables) for step in steps if step is not None]

    def start(
        self,
        dependencies: Mapping[str, "ComponentLifecycle"],
        after: Sequence["ComponentLifecycle"] = (),
    ) -> None:
        """Wait for the dependencies and for `after`, install, run, and restart as needed."""
        self._dependencies = dependencies
        self._after = after
        self.reason = ""
        self._set_state("NEW")
        self._task = asyncio.get_running_loop().create_task(self._run_or_break(dependencies))

    async def stop_with_dependency(self, dependency: str) -> None:
        """Stop because a HARD dependency went down; stays down until started."""
        if self._task is None or self._task.done() or self._stopping:
            return
        log.warning("%s is stopped: its HARD dependency %s went down", self.name, dependency)
        await self.stop()
        self._stopping = False
        self.reason = f"its HARD dependency {dependency} went down; it is not restarted"
        self._changed()

    async def stop(self) -> None:
        """Stop the process and stay down."""
        self._stopping = True
        if self._task is None:
            return
        if self.child is not None:
            self._set_state("STOPPING")
            await self._end_child(self.child)
            self._end_requested.set()
        else:
            self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._set_state("FINISHED")

    def restart(self) -> None:
        """Restart without a wait; a BROKEN component gets a new start."""
        self._errors.clear()
        if self.child is not None:
            self._restart_requested = True
            self._schedule_end(self.child)
        elif self._task is not None and self._task.done() and not self._stopping:
            self.start(self._dependencies)

    def report_state(self, state: str) -> bool:
        """Record the state that the component reports; False if it is not a reportable state."""
        if state not in STATES_REPORTED or self.child is None:
            return False
        if state == "ERRORED":
            self._reported_error_in = self.state
            self._schedule_end(self.child)
        self._set_state("RUNNING" if state == "RUNNING" else "ERRORED")
        return True

    async def _run_or_break(self, dependencies: Mapping[str, "ComponentLifecycle"]) -> None:
        """Run the lifecycle; an unexpected error makes the component BROKEN."""
        try:
            await self._run_lifecycle(dependencies)
        except Exception as error:
            log.exception("%s: unexpected error in the nucleus", self.name)
            self.reason = f"unexpected error in the nucleus: {error!r}"
            self._set_state("BROKEN")
            self._rules.on_down(self.name)

    async def _run_lifecycle(self, dependencies: Mapping[str, "ComponentLifecycle"]) -> None:
        for name, dependency in self._recipe.component_dependencies.items():
            if name in dependencies:
                other = dependencies[name]
                hard = dependency.dependency_type == "HARD"
                await (other.ready if hard else other.started_or_failed).wait()
        for other in self._after:
            await other.started_or_failed.wait()
        startup, run = self._steps.step("startup"), self._steps.step("run")
        if not await self._install():
            return
        if startup is None and run is None:
            self._set_state("FINISHED")
        elif startup is not None:
            await self._run_repeatedly(lambda: self._run_startup(startup))
        elif run is not None:
            await self._run_repeatedly(lambda: self._run_once(run))

    async def _install(self) -> bool:
        step = self._steps.step("install")
        ensure_folder(self._script_environment.work_folder, levels=2)
        ensure_file_path(self._script_environment.log_file)
        if step is None or self._is_installed(step):
            self._set_state("INSTALLED")
            return True
        wait_s = MIN_RESTART_WAIT_S
        while True:
            self._set_state("NEW")
            self._errors.record_start(time.monotonic())
            code = await self._exit_code(self._run_to_end(step))
            if code == 0:
                self._errors.clear()
                self._mark_installed(step)
                self._set_state("INSTALLED")
                return True
            log.error("%s: install step %s", self.name, _describe_exit(code))
            if await self._handle_failure("NEW", f"install step {_describe_exit(code)}"):
                return False
            wait_s *= 2
            await asyncio.sleep(wait_s)

    async def _run_repeatedly(self, once: Callable[[], Awaitable[int]]) -> None:
        wait_s = MIN_RESTART_WAIT_S
        while True:
            self._restart_requested, self._reported_error_in = False, None
            self._end_requested.clear()
            started_s = time.monotonic()
            self._errors.record_start(started_s)
            code = await self._exit_code(once())
            if self._stopping:
                return
            if self._restart_requested:
                continue
            if code == 0 and self.state != "ERRORED":
                log.info("%s finished", self.name)
                self._set_state("FINISHED")
                self._rules.on_down(self.name)
                return
            log.error("%s: process %s", self.name, _describe_exit(code))
            broken = await self._handle_failure(
                self._reported_error_in or self.state, f"process {_describe_exit(code)}"
            )
            self._rules.on_down(self.name)
            if broken:
                return
            self.restarts += 1
            if time.monotonic() - started_s >= STABLE_AFTER_S:
                wait_s = MIN_RESTART_WAIT_S
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, MAX_RESTART_WAIT_S)

    async def _exit_code(self, work: Awaitable[int]) -> int:
        """The exit code; failing to start counts as an error too."""
        try:
            return await work
        except OSError as error:
            log.error("%s cannot be started: %s", self.name, error)
            return CANNOT_START

    async def _handle_failure(self, state: LifecycleState, how: str) -> bool:
        """Count an error in a state and recover from it; True if the component is now broken."""
        if self._errors.record_error(state, time.monotonic()):
            self.reason = f"{how}, {self._describe_failures()}"
            log.error("%s is broken: %s", self.name, self.reason)
            self._set_state("BROKEN")
            return True
        self._set_state("ERRORED")
        recover = self._steps.step("recover")
        if recover is not None and await self._run_to_end(recover) != 0:
            log.error("%s: recover step failed", self.name)
        return False

    def _describe_failures(self) -> str:
        if self._rules.counts_starts:
            return f"after {MAX_ERRORS} starts within an hour"
        reset_s = self._steps.error_reset_time
        return f"third consecutive error, each within {reset_s:.0f} s of the previous one"

    async def _run_once(self, step: LifecycleStep) -> int:
        self._set_state("STARTING")
        self.child = self._spawn_child(step)
        self._set_state("RUNNING")
        return await self._await_child(self.child.wait())

    async def _run_startup(self, step: LifecycleStep) -> int:
        """Run the startup script; after success, stay up until stopped."""
        self._set_state("STARTING")
        self.child = self._spawn_child(step, keeps_descendants=True)
        return await self._await_child(self._supervise_running_child(self.child, step))

    async def _supervise_running_child(self, child: ScriptProcess, step: LifecycleStep) -> int:
        code = await _wait_or_stop(child, step.timeout)
        if code != 0 or self._stopping or self._restart_requested:
            await child.stop(GRACE_S)
            return code
        if self.state == "STARTING":
            self._set_state("RUNNING")
        await self._end_requested.wait()
        return code

    async def _await_child(self, waited: Awaitable[int]) -> int:
        try:
            return await waited
        finally:
            if self.child is not None:
                self.cpu_seconds_before += self.child.cpu_seconds
            self.child = None

    async def _end_child(self, child: ScriptProcess) -> None:
        """Run the shutdown step, then stop what is left."""
        step = self._steps.step("shutdown")
        if step is not None:
            code = await self._run_to_end(step)
            if code != 0:
                log.error("%s: shutdown step %s", self.name, _describe_exit(code))
        await child.stop(GRACE_S)

    async def _run_to_end(self, step: LifecycleStep) -> int:
        child = self._spawn_child(step)
        try:
            return await _wait_or_stop(child, step.timeout)
        except asyncio.CancelledError:
            await child.stop(GRACE_S)
            raise

    def _spawn_child(self, step: LifecycleStep, keeps_descendants: bool = False) -> ScriptProcess:
        given = self._script_environment
        return ScriptProcess(
            fill_variables(step.script, given.variables),
            given.work_folder,
            {**given.environment, **self._step_environment(step)},
            given.log_file,
            keeps_descendants,
        )

    def _step_environment(self, step: LifecycleStep) -> dict[str, str]:
        variables = self._script_environment.variables
        return {name: fill_variables(value, variables) for name, value in step.setenv.items()}

    def _schedule_end(self, child: ScriptProcess) -> None:
        async def end() -> None:
            await self._end_child(child)
            self._end_requested.set()

        task = asyncio.get_running_loop().create_task(end())
        self._end_task = task  # kept so that it is not collected before it is done

    def _is_installed(self, step: LifecycleStep) -> bool:
        marker = self._script_environment.marker
        try:
            return marker.read_bytes() == self._fingerprint(step).encode()
        except OSError:  # none yet, or none that can be read: it is installed again
            return False

    def _mark_installed(self, step: LifecycleStep) -> None:
        marker = self._script_environment.marker
        try:
            ensure_folder(marker.parent)
            ensure_file_path(marker)
            marker.write_text(self._fingerprint(step))
        except OSError as error:
            log.error("%s will be installed again at the next start: %s", self.name, error)

    def _fingerprint(self, step: LifecycleStep) -> str:
        script = fill_variables(step.script, self._script_environment.variables)
        digest = hashlib.sha256(script.encode()).hexdigest()
        content = self._script_environment.content_digest
        return f"{self._recipe.component_version} {digest} {content}".rstrip()

    def _set_state(self, state: LifecycleState) -> None:
        if state != "ERRORED" and state != self.state:
            self._errors.clear(self.state)  # left in good order
        self.state = state
        if state in ("RUNNING", "FINISHED"):
            self.ready.set()
        if state in ("RUNNING", "FINISHED", "ERRORED", "BROKEN"):
            self.started_or_failed.set()
        self._changed()


def _describe_exit(code: int) -> str:
    if code == CANNOT_START:
        return "could not be started"
    if code == TOOK_TOO_LONG:
        return "timed out"
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"


async def _wait_or_stop(child: ScriptProcess, timeout_s: float | None) -> int:
    """The exit code; a child that times out is stopped, which is an error whatever its code."""
    try:
        return await asyncio.wait_for(child.wait(), timeout_s)
    except asyncio.TimeoutError:
        log.error("a step timed out after %.0f s", timeout_s)
        return await child.stop(GRACE_S) or TOOK_TOO_LONG
