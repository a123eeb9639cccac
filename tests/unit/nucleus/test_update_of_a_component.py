"""A component of the suite is asked before it is stopped for a new version, and says when it may be."""

from pathlib import Path

import yaml

from tests.unit.nucleus.deployment_kit import QUICK
from tests.unit.nucleus.running_nucleus import REPOSITORY, RunningNucleus, run_module, wait_until

TELEMETRY = "com.sightline.Telemetry"
NEWER = "99.0.0"


def deployment(path: Path, version: str) -> Path:
    """A deployment of telemetry alone."""
    path.write_text(yaml.safe_dump({"components": {TELEMETRY: {"version": version}}}))
    return path


def test_a_component_lets_an_update_go_on_when_it_has_nothing_in_hand(tmp_path: Path) -> None:
    recipe = (REPOSITORY / "recipes" / f"{TELEMETRY}.yaml").read_text()
    version = str(yaml.safe_load(recipe)["ComponentVersion"])
    newer = tmp_path / "newer"
    newer.mkdir()
    changed = recipe.replace(f'ComponentVersion: "{version}"', f'ComponentVersion: "{NEWER}"')
    (newer / f"{TELEMETRY}.yaml").write_text(changed)
    root = tmp_path / "nucleus"
    given = ("--root", str(root), "--source", str(REPOSITORY), "--broker", "127.0.0.1:9")
    first = ("--deployment", str(deployment(tmp_path / "first.yaml", version)))
    recipes = ("--recipes", str(REPOSITORY / "recipes"))
    with run_module("hil.nucleus", *given, *recipes, *first, *QUICK) as process:
        running = RunningNucleus(root, process)
        wait_until(lambda: "component runs" in running.log(TELEMETRY))
        second = ("--deployment", str(deployment(tmp_path / "second.yaml", NEWER)))
        update = ("--root", str(root), *second, "--recipes", str(newer))
        with run_module("hil.nucleus.deploy", *update) as command:
            assert command.wait(60) == 0
        log = running.log(TELEMETRY)
        assert log.index("update goes on") < log.index("asked to stop")
        wait_until(lambda: running.log(TELEMETRY).count("component runs") == 2)
        running.stop()
