"""Real nuclei and brokers as processes, on recipes that a test writes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[3]
TIMEOUT_S = 30.0
VERSION = "1.0.0"
Json = dict[str, Any]


def wait_until(condition: Callable[[], Any], timeout_s: float = TIMEOUT_S) -> Any:
    """Look again and again until the condition is true; returns what it was; AssertionError if late."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"not within {timeout_s:.0f} s")


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and waits to be reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


@contextmanager
def run_module(*module: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A Python module as a process with warnings as errors; killed at the end if it still runs."""
    command = [sys.executable, "-W", "error", "-m", *module]
    process = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@contextmanager
def broker(
    folder: Path, port: int = 0, more: Sequence[str] = ()
) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """The embedded broker and its port."""
    port_file = folder / "broker.address"
    port_file.unlink(missing_ok=True)
    arguments = ("--port", str(port), "--port-file", str(port_file))
    with run_module("hil.nucleus.broker", *arguments, *more) as process:
        wait_until(port_file.exists)
        yield process, int(port_file.read_text().rpartition(":")[2])


class RecipeBuilder:
    """A component's recipe in the making."""

    def __init__(self, name: str, run: str | None = None, install: str | None = None) -> None:
        self.name = name
        self.lifecycle: Json = {}
        if install is not None:
            self.lifecycle["install"] = install
        if run is not None:
            self.lifecycle["run"] = run
        self.dependencies: Json = {}
        self.configuration: Json = {}
        self.version = VERSION

    def recipe(self) -> Json:
        """The recipe's content."""
        return {
            "RecipeFormatVersion": "2020-01-25",
            "ComponentName": self.name,
            "ComponentVersion": self.version,
            "ComponentConfiguration": {"DefaultConfiguration": self.configuration},
            "ComponentDependencies": self.dependencies,
            "Manifests": [
                {
                    "Platform": {"os": "linux", "runtime": "*"},
                    "Lifecycle": self.lifecycle,
                    "Artifacts": [],
                }
            ],
        }


class RunningNucleus:
    """A nucleus process and what it tells in its files."""

    def __init__(self, root: Path, process: "subprocess.Popen[bytes]") -> None:
        self.root = root
        self.process = process

    def component(self, name: str) -> Json:
        """The component's entry in the status file; empty before there is one."""
        try:
            status = json.loads((self.root / "status.json").read_text())
        except (
            OSError,
            ValueError,
            RecursionError,
        ):  # not written yet, or damaged before the start
            return {}
        if not isinstance(status, dict) or status["pid"] != self.process.pid:
            return {}
        entry: Json = status["components"].get(name, {})
        return entry

    def log(self, name: str) -> str:
        """What the component's scripts wrote."""
        path = self.root / "logs" / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def wait_for_state(self, name: str, state: str) -> Json:
        """Wait until the component is in a state; returns its entry."""
        wait_until(lambda: self.component(name).get("state") == state)
        return self.component(name)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(TIMEOUT_S)

    def kill(self) -> None:
        """SIGKILL."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(TIMEOUT_S)


@contextmanager
def nucleus(
    folder: Path,
    components: Sequence[RecipeBuilder],
    merge: Json | None = None,
    port: int = 9,
    dialect: str = "classic",
    more: Sequence[str] = (),
) -> Iterator[RunningNucleus]:
    """A nucleus that runs the components; without a broker's port it is away."""
    recipes = folder / "recipes"
    recipes.mkdir(exist_ok=True)
    for path in recipes.iterdir():
        path.unlink()
    for component in components:
        path = recipes / f"{component.name}.yaml"
        path.write_text(yaml.safe_dump(component.recipe()))
    deployed = {component.name: {"version": component.version} for component in components}
    (folder / "deployment.yaml").write_text(yaml.safe_dump({"components": deployed}))
    (folder / "merge.json").write_text(json.dumps(merge or {}))
    arguments = (
        *("--root", str(folder / "nucleus"), "--recipes", str(recipes)),
        *("--source", str(REPOSITORY), "--deployment", str(folder / "deployment.yaml")),
        *("--merge", str(folder / "merge.json"), "--broker", f"127.0.0.1:{port}"),
        *("--thing-name", "test-thing", "--dialect", dialect, *more),
    )
    with run_module("hil.nucleus", *arguments) as process:
        yield RunningNucleus(folder / "nucleus", process)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(TIMEOUT_S)
