"""A nucleus that runs is brought to another deployment, and back when what is new fails."""

from pathlib import Path

from tests.unit.nucleus.deployment_kit import QUICK, begun_deployment, deploy, running_with
from tests.unit.nucleus.running_nucleus import RecipeBuilder, is_alive, nucleus, wait_until

A, B = "com.example.A", "com.example.B"
FOREVER = "while :; do sleep 0.05; done"


def component(name: str, version: str = "1.0.0", does: str = FOREVER) -> RecipeBuilder:
    """A component that says its version."""
    made = RecipeBuilder(name, run=f"echo {version}; {does}")
    made.version = version
    return made


def test_a_component_is_added_and_another_taken_away_and_forgotten(tmp_path: Path) -> None:
    with running_with(tmp_path, component(A)) as running:
        pid = running.component(A)["pid"]
        assert deploy(tmp_path, [component(B)])[0] == 0
        assert running.component(A) == {}
        assert running.component(B)["state"] == "RUNNING"
        assert not is_alive(pid)
        assert not (running.root / "configuration" / f"{A}.json").exists()


def test_a_new_version_takes_the_place_of_the_old_and_the_others_go_on(tmp_path: Path) -> None:
    with running_with(tmp_path, component(A), component(B)) as running:
        untouched = running.component(B)["pid"]
        assert deploy(tmp_path, [component(A, "1.1.0"), component(B)])[0] == 0
        assert running.log(A).split() == ["1.0.0", "1.1.0"]
        assert running.component(B)["pid"] == untouched


def test_a_new_version_that_breaks_is_rolled_back_with_its_configuration(tmp_path: Path) -> None:
    before = component(A)
    before.configuration = {"limit": 1}
    with running_with(tmp_path, before, component(B)) as running:
        broken = component(A, "2.0.0", does="exit 1")
        broken.configuration = {"limit": 1, "added": True}
        code, words = deploy(tmp_path, [broken, component(B)], {A: {"limit": 9}})
        assert code == 3
        assert "FAILED_ROLLBACK_COMPLETE" in words
        assert "com.example.A is BROKEN" in words
        assert running.component(A)["state"] == "RUNNING"
        assert running.log(A).split()[-1] == "1.0.0"
        stored = (running.root / "configuration" / f"{A}.json").read_text()
        assert '"limit":1' in stored
        assert "added" not in stored


def test_what_was_taken_away_comes_back_when_the_rest_fails(tmp_path: Path) -> None:
    with running_with(tmp_path, component(A)) as running:
        assert deploy(tmp_path, [component(B, does="exit 1")])[0] == 3
        running.wait_for_state(A, "RUNNING")
        assert running.component(B) == {}


def test_a_failed_deployment_stays_where_that_is_wanted(tmp_path: Path) -> None:
    with running_with(tmp_path, component(A)) as running:
        broken = component(A, "2.0.0", does="exit 1")
        code, words = deploy(tmp_path, [broken], None, "--keep-failed")
        assert code == 3
        assert "FAILED_ROLLBACK_NOT_REQUESTED" in words
        assert running.component(A)["state"] == "BROKEN"


def test_a_deployment_that_cannot_be_changes_nothing_and_says_why(tmp_path: Path) -> None:
    with running_with(tmp_path, component(A)) as running:
        pid = running.component(A)["pid"]
        needs = component(A, "1.1.0")
        needs.dependencies = {B: {"DependencyType": "HARD"}}
        code, words = deploy(tmp_path, [needs])
        assert code == 3
        assert "FAILED_NO_STATE_CHANGE" in words
        assert f"/ComponentDependencies/{B}" in words
        assert running.component(A)["pid"] == pid


def test_a_deployment_made_while_it_ran_is_still_in_force_after_a_restart(tmp_path: Path) -> None:
    with running_with(tmp_path, component(A)) as running:
        assert deploy(tmp_path, [component(A, "1.1.0"), component(B)])[0] == 0
        running.kill()
    with nucleus(tmp_path, [component(A)], more=QUICK) as running:
        running.wait_for_state(B, "RUNNING")
        running.wait_for_state(A, "RUNNING")
        assert running.log(A).split()[-1] == "1.1.0"


def test_another_given_deployment_is_in_force_over_one_made_while_it_ran(tmp_path: Path) -> None:
    with running_with(tmp_path, component(A)):
        assert deploy(tmp_path, [component(A, "1.1.0")])[0] == 0
    with nucleus(tmp_path, [component(A), component(B)], more=QUICK) as running:
        wait_until(lambda: running.log(A).split() == ["1.0.0", "1.1.0", "1.0.0"])


def test_a_nucleus_killed_in_a_deployment_starts_with_what_it_had_before(tmp_path: Path) -> None:
    before = component(A)
    before.configuration = {"limit": 1}
    slow = component(A, "2.0.0", does=FOREVER)
    slow.lifecycle["install"] = "sleep 30"
    with running_with(tmp_path, before) as running:
        stored = running.root / "configuration" / f"{A}.json"
        with begun_deployment(tmp_path, [slow], {A: {"limit": 9}}):
            wait_until(lambda: '"limit":9' in stored.read_text())
            running.kill()
    with nucleus(tmp_path, [before], more=QUICK) as running:
        running.wait_for_state(A, "RUNNING")
        assert '"limit":1' in stored.read_text()


def test_a_changed_configuration_starts_only_what_reads_it_in_a_script(tmp_path: Path) -> None:
    told = component(A, does=f"echo limit {{configuration:/limit}}; {FOREVER}")
    asks = component(B)
    told.configuration, asks.configuration = {"limit": 1}, {"limit": 1}
    with running_with(tmp_path, told, asks) as running:
        pid = running.component(B)["pid"]
        assert deploy(tmp_path, [told, asks], {A: {"limit": 2}, B: {"limit": 2}})[0] == 0
        wait_until(lambda: "limit 2" in running.log(A))
        assert running.component(B)["pid"] == pid
        assert '"limit":2' in (running.root / "configuration" / f"{B}.json").read_text()


def test_the_command_says_so_where_no_nucleus_runs(tmp_path: Path) -> None:
    code, words = deploy(tmp_path, [component(A)])
    assert code == 2
    assert "cannot reach a nucleus" in words
    assert "Traceback" not in words


def test_a_deployment_that_the_disk_does_not_take_is_rolled_back(tmp_path: Path) -> None:
    with running_with(tmp_path, component(A)) as running:
        obstacle = running.root / "artifacts-unarchived" / B
        obstacle.parent.mkdir(exist_ok=True)
        obstacle.write_text("no folder")
        code, words = deploy(tmp_path, [component(B)])
        assert code == 3
        assert "FAILED_ROLLBACK_COMPLETE" in words
        running.wait_for_state(A, "RUNNING")
        obstacle.unlink()
        assert deploy(tmp_path, [component(B)])[0] == 0


def test_what_cannot_do_without_a_new_version_is_started_again_with_it(tmp_path: Path) -> None:
    needs, may = component(B), component("com.example.C")
    needs.dependencies = {A: {"DependencyType": "HARD"}}
    may.dependencies = {A: {"DependencyType": "SOFT"}}
    with running_with(tmp_path, component(A), needs, may) as running:
        untouched = running.component("com.example.C")["pid"]
        assert deploy(tmp_path, [component(A, "1.1.0"), needs, may])[0] == 0
        assert running.log(B).split() == ["1.0.0", "1.0.0"]
        assert running.component("com.example.C")["pid"] == untouched
