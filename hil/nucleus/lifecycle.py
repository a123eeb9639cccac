"""One component's life: install, run, start again with back-off when it dies, shut down."""

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from hil.nucleus.child import Child
from hil.nucleus.damaged_files import clear_file, make_folder
from hil.nucleus.error_count import MOST_ERRORS, ErrorCount, FailureCount, StartCount
from hil.nucleus.recipes import Recipe, Step, StepName, filled_in

log = logging.getLogger(__name__)
FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 30.0
SETTLED_AFTER_S = 10.0  # a process that ran this long starts again with the first wait
GRACE_S = 8.0  # less than the 10 s that whoever ends the nucleus gives it
TOOK_TOO_LONG = -1001  # no number of a signal
CANNOT_START = -1002
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


@dataclass(frozen=True)
class Rules:
    """In what the nuclei differ; `went_down` gets the component whose process ended by itself."""

    counts_starts: bool = False
    went_down: Callable[[str], None] = lambda name: None


class ComponentLifecycle:
    """Drives one component; `changed` is called on each change of state."""

    def __init__(
        self,
        recipe: Recipe,
        surroundings: Surroundings,
        changed: Callable[[], None],
        rules: Rules | None = None,
    ) -> None:
        self.name = recipe.component_name
        self.state: State = "NEW"
        self.restarts = 0
        self.reason = ""  # why it is down, in words; empty while it is not
        self.cpu_seconds_before = 0.0
        self.child: Child | None = None
        self.ready = asyncio.Event()  # running or finished: what depends on it may start
        self.settled = asyncio.Event()  # ready, or known to have failed
        self._recipe = recipe
        self._steps = recipe.manifest().lifecycle
        self._surroundings = surroundings
        self._changed = changed
        self._rules = rules or Rules()
        reset_s = self._steps.error_reset_time
        self._errors: FailureCount = (
            StartCount() if self._rules.counts_starts else ErrorCount(reset_s)
        )
        self._reported_error_in: State | None = None
        self._disturbed = asyncio.Event()  # what a startup step has started is to end
        self._dependencies: Mapping[str, ComponentLifecycle] = {}
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._wanted_restart = False

    @property
    def log_file(self) -> Path:
        """What its scripts write."""
        return self._surroundings.log_file

    @property
    def has_process(self) -> bool:
        """Whether the component has a step that runs."""
        return self._steps.run is not None or self._steps.startup is not None

    def scripts(self) -> list[str]:
        """All steps' scripts as the configuration fills them in now."""
        steps = [self._steps.step(name) for name in get_args(StepName)]
        variables = self._surroundings.variables
        return [filled_in(step.script, variables) for step in steps if step is not None]

    def start(self, dependencies: Mapping[str, "ComponentLifecycle"]) -> None:
        """Begin: wait for the dependencies, install, run, and run again."""
        self._dependencies = dependencies
        self.reason = ""
        self._set_state("NEW")
        self._task = asyncio.get_running_loop().create_task(self._live_or_break(dependencies))

    async def stop_with(self, dependency: str) -> None:
        """End because what this cannot do without went down; it stays down until asked for."""
        if self._task is None or self._task.done() or self._stopping:
            return
        log.warning("%s stops with %s, which it depends on HARD", self.name, dependency)
        await self.stop()
        self._stopping = False
        self.reason = f"{dependency}, which it depends on HARD, went down; it is not started again"
        self._changed()

    async def stop(self) -> None:
        """End the process and stay down."""
        self._stopping = True
        if self._task is None:
            return
        if self.child is not None:
            self._set_state("STOPPING")
            await self._end(self.child)
            self._disturbed.set()
        else:
            self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._set_state("FINISHED")

    def restart(self) -> None:
        """End the process, so that it is started again without a wait; a broken one has a new start."""
        self._errors.clear()
        if self.child is not None:
            self._wanted_restart = True
            self._spawn_end(self.child)
        elif self._task is not None and self._task.done() and not self._stopping:
            self.start(self._dependencies)

    def report_state(self, state: str) -> bool:
        """Take the component's word on its state; False if it is none it can report."""
        if state not in STATES_REPORTED or self.child is None:
            return False
        if state == "ERRORED":
            self._reported_error_in = self.state
            self._spawn_end(self.child)
        self._set_state("RUNNING" if state == "RUNNING" else "ERRORED")
        return True

    async def _live_or_break(self, dependencies: Mapping[str, "ComponentLifecycle"]) -> None:
        """Live; what nobody foresaw breaks the component instead of leaving it unattended."""
        try:
            await self._live(dependencies)
        except Exception as error:
            log.exception("%s cannot be looked after", self.name)
            self.reason = f"the nucleus cannot look after it: {error!r}"
            self._set_state("BROKEN")
            self._rules.went_down(self.name)

    async def _live(self, dependencies: Mapping[str, "ComponentLifecycle"]) -> None:
        for name, dependency in self._recipe.component_dependencies.items():
            if name in dependencies:
                other = dependencies[name]
                hard = dependency.dependency_type == "HARD"
                await (other.ready if hard else other.settled).wait()
        startup, run = self._steps.step("startup"), self._steps.step("run")
        if not await self._install():
            return
        if startup is None and run is None:
            self._set_state("FINISHED")
        elif startup is not None:
            await self._keep_up(lambda: self._start_up(startup))
        elif run is not None:
            await self._keep_up(lambda: self._run_once(run))

    async def _install(self) -> bool:
        step = self._steps.step("install")
        make_folder(self._surroundings.work_folder, levels=2)
        clear_file(self._surroundings.log_file)
        if step is None or self._is_installed(step):
            self._set_state("INSTALLED")
            return True
        wait_s = FIRST_WAIT_S
        while True:
            self._set_state("NEW")
            self._errors.started(time.monotonic())
            code = await self._outcome(self._run_to_end(step))
            if code == 0:
                self._errors.clear()
                self._mark_installed(step)
                self._set_state("INSTALLED")
                return True
            log.error("%s: its install step ended with %s", self.name, code)
            if await self._failed("NEW", f"its install step {_ended_with(code)}"):
                return False
            wait_s *= 2
            await asyncio.sleep(wait_s)

    async def _keep_up(self, once: Callable[[], Awaitable[int]]) -> None:
        wait_s = FIRST_WAIT_S
        while True:
            self._wanted_restart, self._reported_error_in = False, None
            self._disturbed.clear()
            started_s = time.monotonic()
            self._errors.started(started_s)
            code = await self._outcome(once())
            if self._stopping:
                return
            if self._wanted_restart:
                continue
            if code == 0 and self.state != "ERRORED":
                log.info("%s finished", self.name)
                self._set_state("FINISHED")
                self._rules.went_down(self.name)
                return
            log.error("%s ended with %s", self.name, code)
            broken = await self._failed(
                self._reported_error_in or self.state, f"it {_ended_with(code)}"
            )
            self._rules.went_down(self.name)
            if broken:
                return
            self.restarts += 1
            if time.monotonic() - started_s >= SETTLED_AFTER_S:
                wait_s = FIRST_WAIT_S
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)

    async def _outcome(self, work: Awaitable[int]) -> int:
        """The exit code; a process that cannot be started is an error like any other."""
        try:
            return await work
        except OSError as error:
            log.error("%s cannot be started: %s", self.name, error)
            return CANNOT_START

    async def _failed(self, state: State, how: str) -> bool:
        """Count an error out of a state and recover from it; whether the component is broken."""
        if self._errors.add(state, time.monotonic()):
            self.reason = f"{how}, {self._too_often()}"
            log.error("%s is broken: %s", self.name, self.reason)
            self._set_state("BROKEN")
            return True
        self._set_state("ERRORED")
        recover = self._steps.step("recover")
        if recover is not None and await self._run_to_end(recover) != 0:
            log.error("%s: its recover step failed", self.name)
        return False

    def _too_often(self) -> str:
        if self._rules.counts_starts:
            return f"after {MOST_ERRORS} starts within an hour"
        reset_s = self._steps.error_reset_time
        return f"the third error in a row, each within {reset_s:.0f} s of the last"

    async def _run_once(self, step: Step) -> int:
        self._set_state("STARTING")
        self.child = self._child(step)
        self._set_state("RUNNING")
        return await self._end_of_child(self.child.wait())

    async def _start_up(self, step: Step) -> int:
        """Run the startup script; once it ended well, stay up until something ends that."""
        self._set_state("STARTING")
        self.child = self._child(step, leaves_others=True)
        return await self._end_of_child(self._up_until_disturbed(self.child, step))

    async def _up_until_disturbed(self, child: Child, step: Step) -> int:
        code = await _ended_within(child, step.timeout)
        if code != 0 or self._stopping or self._wanted_restart:
            await child.stop(GRACE_S)
            return code
        if self.state == "STARTING":
            self._set_state("RUNNING")
        await self._disturbed.wait()
        return code

    async def _end_of_child(self, waited: Awaitable[int]) -> int:
        try:
            return await waited
        finally:
            if self.child is not None:
                self.cpu_seconds_before += self.child.cpu_seconds
            self.child = None

    async def _end(self, child: Child) -> None:
        """Let the shutdown step settle what is in hand, then end what is left."""
        step = self._steps.step("shutdown")
        if step is not None:
            code = await self._run_to_end(step)
            if code != 0:
                log.error("%s: its shutdown step ended with %s", self.name, code)
        await child.stop(GRACE_S)

    async def _run_to_end(self, step: Step) -> int:
        child = self._child(step)
        try:
            return await _ended_within(child, step.timeout)
        except asyncio.CancelledError:
            await child.stop(GRACE_S)
            raise

    def _child(self, step: Step, leaves_others: bool = False) -> Child:
        given = self._surroundings
        return Child(
            filled_in(step.script, given.variables),
            given.work_folder,
            {**given.environment, **self._own_environment(step)},
            given.log_file,
            leaves_others,
        )

    def _own_environment(self, step: Step) -> dict[str, str]:
        variables = self._surroundings.variables
        return {name: filled_in(value, variables) for name, value in step.setenv.items()}

    def _spawn_end(self, child: Child) -> None:
        async def end() -> None:
            await self._end(child)
            self._disturbed.set()

        task = asyncio.get_running_loop().create_task(end())
        self._ends = task  # kept so that it is not collected before it is done

    def _is_installed(self, step: Step) -> bool:
        marker = self._surroundings.marker
        try:
            return marker.read_bytes() == self._fingerprint(step).encode()
        except OSError:  # none yet, or none that can be read: it is installed again
            return False

    def _mark_installed(self, step: Step) -> None:
        marker = self._surroundings.marker
        try:
            make_folder(marker.parent)
            clear_file(marker)
            marker.write_text(self._fingerprint(step))
        except OSError as error:
            log.error("%s will be installed again at the next start: %s", self.name, error)

    def _fingerprint(self, step: Step) -> str:
        script = filled_in(step.script, self._surroundings.variables)
        digest = hashlib.sha256(script.encode()).hexdigest()
        return f"{self._recipe.component_version} {digest}"

    def _set_state(self, state: State) -> None:
        if state != "ERRORED" and state != self.state:
            self._errors.clear(self.state)  # left in good order
        self.state = state
        if state in ("RUNNING", "FINISHED"):
            self.ready.set()
        if state in ("RUNNING", "FINISHED", "ERRORED", "BROKEN"):
            self.settled.set()
        self._changed()


def _ended_with(code: int) -> str:
    if code == CANNOT_START:
        return "could not be started"
    if code == TOOK_TOO_LONG:
        return "took too long"
    return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"


async def _ended_within(child: Child, timeout_s: float | None) -> int:
    """The exit code; a child that takes too long is ended, and that is an error whatever its code."""
    try:
        return await asyncio.wait_for(child.wait(), timeout_s)
    except asyncio.TimeoutError:
        log.error("a step took more than %.0f s", timeout_s)
        return await child.stop(GRACE_S) or TOOK_TOO_LONG
