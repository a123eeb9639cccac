"""What the nucleus does with components as processes: install, run, start again, shut down."""

import os
import signal
from functools import partial
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


def test_a_component_is_installed_and_then_run_with_what_it_is_promised(tmp_path: Path) -> None:
    component = RecipeBuilder(
        NAME,
        install="echo installed > {work:path}/made",
        run='cat made; env; echo "rate {configuration:/camera/rate} {iot:thingName}"; ' + FOREVER,
    )
    component.configuration = {"camera": {"rate": 1}}
    with nucleus(tmp_path, [component], {NAME: {"camera": {"rate": 25}}}) as running:
        running.wait_for_state(NAME, "RUNNING")
        log = wait_until(lambda: "rate" in running.log(NAME) and running.log(NAME)).splitlines()
    assert log[0] == "installed"
    assert log[-1] == "rate 25 test-thing"
    names = {line.partition("=")[0] for line in log}
    assert {
        "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT",
        "SVCUID",
        "AWS_IOT_THING_NAME",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "GGC_VERSION",
        "SIGHTLINE_PYTHON",
        "PATH",
    } <= names


def test_a_process_that_is_killed_is_started_again_and_counted(tmp_path: Path) -> None:
    with nucleus(tmp_path, [RecipeBuilder(NAME, install="echo install", run=FOREVER)]) as running:
        before = running.wait_for_state(NAME, "RUNNING")
        for restarts in (1, 2):
            os.killpg(os.getpgid(running.component(NAME)["pid"]), signal.SIGKILL)
            wait_until(partial(_is_up_again, running, restarts))
        after = running.component(NAME)
    assert after["pid"] != before["pid"]
    assert running.log(NAME).count("install") == 1


def _is_up_again(running: RunningNucleus, restarts: int) -> bool:
    entry = running.component(NAME)
    return bool(entry["restarts"] == restarts and entry["state"] == "RUNNING")


def test_a_process_that_fails_three_times_is_broken_and_left_alone(tmp_path: Path) -> None:
    with nucleus(tmp_path, [RecipeBuilder(NAME, run="echo once more; exit 3")]) as running:
        entry = running.wait_for_state(NAME, "BROKEN")
    assert entry["restarts"] == 2
    assert entry["pid"] is None
    assert running.log(NAME).count("once more") == 3


def test_errors_that_lie_further_apart_than_the_reset_time_break_nothing(tmp_path: Path) -> None:
    component = RecipeBuilder(NAME, run="echo once more; sleep 0.3; exit 3")
    component.lifecycle["errorResetTime"] = 0.1
    with nucleus(tmp_path, [component]) as running:
        wait_until(lambda: running.component(NAME).get("restarts", 0) >= 4)
    assert running.log(NAME).count("once more") >= 4


def test_a_process_that_ends_well_is_finished(tmp_path: Path) -> None:
    with nucleus(tmp_path, [RecipeBuilder(NAME, run="echo done")]) as running:
        assert running.wait_for_state(NAME, "FINISHED")["restarts"] == 0
    assert running.log(NAME) == "done\n"


def test_cpu_time_and_memory_are_told_and_add_up_over_restarts(tmp_path: Path) -> None:
    busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; exit 1"
    with nucleus(tmp_path, [RecipeBuilder(NAME, run=busy)]) as running:
        wait_until(lambda: running.component(NAME).get("restarts") == 1)
        first = running.component(NAME)["cpu_seconds"]
        wait_until(lambda: running.component(NAME)["restarts"] == 2)
        second = running.component(NAME)["cpu_seconds"]
    assert 0 < first < second


def test_a_component_waits_for_its_hard_dependency(tmp_path: Path) -> None:
    last = RecipeBuilder("com.example.Last", run=f"cat ../com.example.First/ready; {FOREVER}")
    last.dependencies = {"com.example.First": {"DependencyType": "HARD"}}
    first = RecipeBuilder("com.example.First", install="sleep 0.3; echo made first > ready")
    with nucleus(tmp_path, [last, first]) as running:
        running.wait_for_state("com.example.Last", "RUNNING")
        wait_until(lambda: running.log("com.example.Last"))
    assert running.log("com.example.Last") == "made first\n"


def test_a_soft_dependency_that_fails_holds_nobody_up(tmp_path: Path) -> None:
    last = RecipeBuilder("com.example.Last", run=FOREVER)
    last.dependencies = {"com.example.First": {"DependencyType": "SOFT"}}
    first = RecipeBuilder("com.example.First", install="echo cannot; exit 1", run="echo never")
    with nucleus(tmp_path, [last, first]) as running:
        running.wait_for_state("com.example.Last", "RUNNING")
        running.wait_for_state("com.example.First", "BROKEN")
    assert "never" not in running.log("com.example.First")


def test_a_hard_dependency_that_fails_keeps_back_what_needs_it(tmp_path: Path) -> None:
    last = RecipeBuilder("com.example.Last", run=FOREVER)
    last.dependencies = {"com.example.First": {"DependencyType": "HARD"}}
    first = RecipeBuilder("com.example.First", install="exit 1", run="echo never")
    with nucleus(tmp_path, [last, first]) as running:
        running.wait_for_state("com.example.First", "BROKEN")
        assert running.component("com.example.Last")["state"] == "NEW"


def test_a_component_without_a_run_step_is_not_among_the_processes(tmp_path: Path) -> None:
    components = [
        RecipeBuilder(NAME, install="echo x"),
        RecipeBuilder("com.example.B", run=FOREVER),
    ]
    with nucleus(tmp_path, components) as running:
        running.wait_for_state("com.example.B", "RUNNING")
        assert running.component(NAME) == {}


def test_the_end_of_the_nucleus_asks_each_component_to_end_and_waits_for_it(
    tmp_path: Path,
) -> None:
    settles = "trap 'sleep 0.3; echo settled; exit 0' TERM; echo up; " + FOREVER
    with nucleus(tmp_path, [RecipeBuilder(NAME, run=settles)]) as running:
        wait_until(lambda: "up" in running.log(NAME))
        assert running.stop() == 0
    assert running.log(NAME).endswith("settled\n")


def test_dependents_are_ended_before_what_they_depend_on(tmp_path: Path) -> None:
    above = RecipeBuilder(
        "com.example.Above",
        run=f"trap 'sleep 0.3; echo above >> ../order; exit 0' TERM; echo up; {FOREVER}",
    )
    above.dependencies = {"com.example.Below": {"DependencyType": "HARD"}}
    below = RecipeBuilder(
        "com.example.Below", run=f"trap 'echo below >> ../order; exit 0' TERM; echo up; {FOREVER}"
    )
    with nucleus(tmp_path, [below, above]) as running:
        wait_until(lambda: running.log("com.example.Above") and running.log("com.example.Below"))
        running.stop()
    assert (running.root / "work" / "order").read_text() == "above\nbelow\n"


def test_nothing_a_component_started_is_left_behind(tmp_path: Path) -> None:
    run = f"sh -c 'trap \"\" TERM; echo $$; {FOREVER}' & {FOREVER}"
    with nucleus(tmp_path, [RecipeBuilder(NAME, run=run)]) as running:
        running.wait_for_state(NAME, "RUNNING")
        child = int(wait_until(lambda: running.log(NAME)))
        assert is_alive(child)
        running.stop()
    wait_until(lambda: not is_alive(child))


def test_components_end_when_the_nucleus_is_killed(tmp_path: Path) -> None:
    with nucleus(tmp_path, [RecipeBuilder(NAME, run=FOREVER)]) as running:
        pid = running.wait_for_state(NAME, "RUNNING")["pid"]
        running.kill()
    wait_until(lambda: not is_alive(pid))


def test_a_nucleus_that_was_killed_starts_again_on_the_same_folder(tmp_path: Path) -> None:
    component = RecipeBuilder(NAME, install="echo install", run=FOREVER)
    with nucleus(tmp_path, [component]) as running:
        running.wait_for_state(NAME, "RUNNING")
        running.kill()
    with nucleus(tmp_path, [component]) as running:
        running.wait_for_state(NAME, "RUNNING")
    assert running.log(NAME).count("install") == 1


def test_a_new_version_is_installed_again(tmp_path: Path) -> None:
    component = RecipeBuilder(NAME, install="echo install", run=FOREVER)
    with nucleus(tmp_path, [component]) as running:
        running.wait_for_state(NAME, "RUNNING")
    component.version = "1.1.0"
    with nucleus(tmp_path, [component]) as running:
        running.wait_for_state(NAME, "RUNNING")
    assert running.log(NAME).count("install") == 2
