"""What systemd does with components under Nucleus Lite: bound lives, and three starts within an hour."""

import os
import signal
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.nucleus.restart import main as restart
from hil.nucleus.supervision.failure_counters import MAX_ERRORS, StartCounter
from tests.unit.nucleus.deployment_kit import QUICK, deploy
from tests.unit.nucleus.running_nucleus import (
    Json,
    RecipeBuilder,
    RunningNucleus,
    nucleus,
    wait_until,
)

BELOW, ABOVE, TOP = "com.example.Below", "com.example.Above", "com.example.Top"
FOREVER = "while :; do sleep 0.05; done"


def bound(kind: str = "HARD") -> list[RecipeBuilder]:
    """One below, one that depends on it, one that depends on that."""
    below, above, top = (RecipeBuilder(name, run=FOREVER) for name in (BELOW, ABOVE, TOP))
    above.dependencies = {BELOW: {"DependencyType": kind}}
    top.dependencies = {ABOVE: {"DependencyType": kind}}
    return [below, above, top]


def kill(running: RunningNucleus, name: str) -> None:
    os.killpg(os.getpgid(running.component(name)["pid"]), signal.SIGKILL)


def has_another_process(running: RunningNucleus, before: int) -> bool:
    return running.component(BELOW)["pid"] not in (None, before)


def all_run(running: RunningNucleus) -> bool:
    return all(running.component(name).get("state") == "RUNNING" for name in (BELOW, ABOVE, TOP))


def is_up_again(running: RunningNucleus, name: str, restarts: int) -> bool:
    entry = running.component(name)
    return bool(entry.get("restarts") == restarts and entry["state"] == "RUNNING")


def is_down(running: RunningNucleus, name: str) -> bool:
    """Whether it is down with a reason, and not about to be started."""
    entry: Json = running.component(name)
    return bool(entry.get("state") == "FINISHED" and entry["pid"] is None and entry.get("reason"))


def test_what_depends_hard_stops_with_its_dependency_and_stays_down(tmp_path: Path) -> None:
    with nucleus(tmp_path, bound(), dialect="lite") as running:
        wait_until(lambda: all_run(running))
        kill(running, BELOW)
        wait_until(partial(is_up_again, running, BELOW, 1))
        for name, dependency in ((ABOVE, BELOW), (TOP, ABOVE)):
            wait_until(partial(is_down, running, name))
            assert dependency in running.component(name)["reason"]
        assert restart(["--root", str(running.root), ABOVE]) == 0
        running.wait_for_state(ABOVE, "RUNNING")
        assert "reason" not in running.component(ABOVE)


@pytest.mark.parametrize(("dialect", "kind"), [("lite", "SOFT"), ("classic", "HARD")])
def test_a_soft_dependency_or_the_classic_nucleus_binds_no_life(
    tmp_path: Path, dialect: str, kind: str
) -> None:
    with nucleus(tmp_path, bound(kind), dialect=dialect) as running:
        wait_until(lambda: all_run(running))
        others = [running.component(name)["pid"] for name in (ABOVE, TOP)]
        kill(running, BELOW)
        wait_until(partial(is_up_again, running, BELOW, 1))
        assert [running.component(name)["pid"] for name in (ABOVE, TOP)] == others


def test_a_dependency_that_ends_well_takes_what_is_bound_to_it_along(tmp_path: Path) -> None:
    below, above, top = bound()
    below.lifecycle["run"] = f"until [ -e end ]; do sleep 0.05; done; exit 0; {FOREVER}"
    with nucleus(tmp_path, [below, above, top], dialect="lite") as running:
        wait_until(lambda: all_run(running))
        (running.root / "work" / BELOW / "end").touch()
        wait_until(partial(is_down, running, TOP))


def test_a_restart_that_is_asked_for_restarts_what_is_bound_and_leaves_nothing_down(
    tmp_path: Path,
) -> None:
    with nucleus(tmp_path, bound(), dialect="lite") as running:
        wait_until(lambda: all_run(running))
        before = running.component(ABOVE)["pid"]
        assert restart(["--root", str(running.root), BELOW]) == 0
        wait_until(lambda: running.component(ABOVE)["pid"] not in (None, before))
        wait_until(lambda: all_run(running))


def test_a_nucleus_that_stops_reports_nobody_as_down(tmp_path: Path) -> None:
    with nucleus(tmp_path, bound(), dialect="lite") as running:
        wait_until(lambda: all_run(running))
        assert running.stop() == 0
        assert all("reason" not in running.component(name) for name in (BELOW, ABOVE, TOP))


def test_lite_starts_a_component_three_times_within_an_hour_whatever_its_reset_time(
    tmp_path: Path,
) -> None:
    component = RecipeBuilder(BELOW, run="echo once more; sleep 0.3; exit 3")
    component.lifecycle["errorResetTime"] = 0.1
    with nucleus(tmp_path, [component], dialect="lite") as running:
        entry = running.wait_for_state(BELOW, "BROKEN")
    assert running.log(BELOW).count("once more") == 3
    assert entry["reason"] == "process ended with exit code 3, after 3 starts within an hour"
    assert entry["last_words"][-1] == "once more"


def test_an_install_step_that_fails_on_lite_breaks_too(tmp_path: Path) -> None:
    component = RecipeBuilder(BELOW, install="echo cannot; exit 1", run=FOREVER)
    with nucleus(tmp_path, [component], dialect="lite") as running:
        assert "install" in running.wait_for_state(BELOW, "BROKEN")["reason"]


@given(st.lists(st.floats(min_value=0, max_value=4000), min_size=1, max_size=12))
def test_a_fourth_start_within_the_hour_is_refused_and_no_other(waits_s: list[float]) -> None:
    count, starts, now_s = StartCounter(3600.0), [0.0], 0.0
    count.record_start(now_s)
    for wait_s in waits_s:
        now_s += wait_s
        recent = [at for at in starts[-MAX_ERRORS:] if now_s - at < 3600.0]
        refused = count.record_error("RUNNING", now_s)
        assert refused == (len(recent) >= MAX_ERRORS)
        if refused:
            count.clear()
            starts = []
        count.record_start(now_s)
        starts.append(now_s)


def test_starts_that_were_asked_for_do_not_count(tmp_path: Path) -> None:
    with nucleus(tmp_path, [RecipeBuilder(BELOW, run=FOREVER)], dialect="lite") as running:
        for _ in range(4):
            before = running.wait_for_state(BELOW, "RUNNING")["pid"]
            assert restart(["--root", str(running.root), BELOW]) == 0
            wait_until(partial(has_another_process, running, before))
        running.wait_for_state(BELOW, "RUNNING")
        kill(running, BELOW)
        wait_until(partial(is_up_again, running, BELOW, 1))


@pytest.mark.parametrize("dialect", ["classic", "lite"])
def test_a_broken_component_is_healed_by_a_restart_that_is_asked_for(
    tmp_path: Path, dialect: str
) -> None:
    component = RecipeBuilder(BELOW, run=f"[ -f ../mended ] || exit 1; {FOREVER}")
    with nucleus(tmp_path, [component], dialect=dialect) as running:
        running.wait_for_state(BELOW, "BROKEN")
        assert restart(["--root", str(running.root), "com.example.Absent"]) == 3
        (running.root / "work" / "mended").touch()
        assert restart(["--root", str(running.root), BELOW]) == 0
        assert "reason" not in running.wait_for_state(BELOW, "RUNNING")


@pytest.mark.parametrize("dialect", ["classic", "lite"])
def test_a_broken_component_is_healed_by_any_deployment(tmp_path: Path, dialect: str) -> None:
    component = RecipeBuilder(BELOW, run=f"[ -f ../mended ] || exit 1; {FOREVER}")
    with nucleus(tmp_path, [component], dialect=dialect, more=QUICK) as running:
        running.wait_for_state(BELOW, "BROKEN")
        (running.root / "work" / "mended").touch()
        code, words = deploy(tmp_path, [component])
        assert code == 0, words
        assert running.component(BELOW)["state"] == "RUNNING"


def test_the_command_says_so_where_no_nucleus_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert restart(["--root", str(tmp_path), BELOW]) == 2
    assert "cannot reach a nucleus" in capsys.readouterr().err
