"""The steps beside install and run: startup, recover, shutdown; and what they do to the state."""

import os
from pathlib import Path

from tests.unit.nucleus.running_nucleus import (
    RecipeBuilder,
    RunningNucleus,
    is_alive,
    nucleus,
    wait_until,
)

FOREVER = "while :; do sleep 0.05; done"
NAME = "com.example.A"


def started(running: RunningNucleus) -> int:
    """The process that a startup step left, by its own word."""
    return int(wait_until(lambda: running.log(NAME)).split()[0])


def test_a_startup_step_makes_a_component_run_once_it_ended_well(tmp_path: Path) -> None:
    component = RecipeBuilder(NAME)
    component.lifecycle["startup"] = f"sh -c 'echo $$; {FOREVER}' & sleep 0.2; echo up > ready"
    above = RecipeBuilder("com.example.Above", run=f"cat ../{NAME}/ready; {FOREVER}")
    above.dependencies = {NAME: {"DependencyType": "HARD"}}
    with nucleus(tmp_path, [component, above]) as running:
        running.wait_for_state(NAME, "RUNNING")
        wait_until(lambda: running.log("com.example.Above") == "up\n")
        pid = started(running)
        assert is_alive(pid)
        assert running.stop() == 0
        assert not is_alive(pid)


def test_a_startup_step_that_fails_three_times_is_broken(tmp_path: Path) -> None:
    component = RecipeBuilder(NAME)
    component.lifecycle["startup"] = "echo try; exit 1"
    with nucleus(tmp_path, [component]) as running:
        running.wait_for_state(NAME, "BROKEN")
    assert running.log(NAME).count("try") == 3


def test_a_startup_step_that_takes_too_long_is_an_error(tmp_path: Path) -> None:
    component = RecipeBuilder(NAME)
    script = f"echo try; trap 'exit 0' TERM; {FOREVER}"
    component.lifecycle["startup"] = {"Script": script, "Timeout": 0.2}
    with nucleus(tmp_path, [component]) as running:
        running.wait_for_state(NAME, "BROKEN")
    assert running.log(NAME).count("try") == 3


def test_recover_runs_after_each_error_but_the_one_that_breaks(tmp_path: Path) -> None:
    component = RecipeBuilder(NAME, run="echo run; exit 1")
    component.lifecycle["recover"] = "echo recover"
    with nucleus(tmp_path, [component]) as running:
        running.wait_for_state(NAME, "BROKEN")
    assert running.log(NAME).split() == ["run", "recover", "run", "recover", "run"]


def test_recover_may_mend_what_the_component_stumbles_over(tmp_path: Path) -> None:
    component = RecipeBuilder(NAME, run=f"[ -f mended ] || exit 1; echo mended; {FOREVER}")
    component.lifecycle["recover"] = "touch mended"
    with nucleus(tmp_path, [component]) as running:
        wait_until(lambda: "mended" in running.log(NAME))
        assert running.wait_for_state(NAME, "RUNNING")["restarts"] == 1


def test_shutdown_runs_while_the_process_is_still_there(tmp_path: Path) -> None:
    component = RecipeBuilder(NAME, run=f"trap 'echo ended; exit 0' TERM; echo $$ > pid; {FOREVER}")
    component.lifecycle["shutdown"] = "kill -0 $(cat pid) && echo still there"
    with nucleus(tmp_path, [component]) as running:
        wait_until((running.root / "work" / NAME / "pid").exists)
        running.stop()
    words = running.log(NAME)
    assert words.index("still there") < words.index("ended")


def test_a_process_whose_start_is_refused_by_the_kernel_is_an_error(tmp_path: Path) -> None:
    component = RecipeBuilder(NAME, run=f"exec {os.devnull}")
    with nucleus(tmp_path, [component]) as running:
        running.wait_for_state(NAME, "BROKEN")


def test_startup_and_run_together_are_refused_with_their_place(tmp_path: Path) -> None:
    component = RecipeBuilder(NAME, run="true")
    component.lifecycle["startup"] = "true"
    with nucleus(tmp_path, [component]) as running:
        assert running.process.wait(30) == 1
        assert running.process.stderr is not None
        words = running.process.stderr.read().decode()
    assert "found both startup and run" in words
    assert "/Manifests/0/Lifecycle" in words
