"""A component of the suite, from its own recipe, while a nucleus is deployed to."""

import json
from pathlib import Path

import pytest
import yaml

from tests.unit.nucleus.deployment_kit import QUICK
from tests.unit.nucleus.running_nucleus import REPOSITORY, RunningNucleus, run_module, wait_until

TELEMETRY = "com.sightline.Telemetry"


def deployment(folder: Path, merge: dict[str, object]) -> Path:
    """A deployment of telemetry alone."""
    path = folder / f"{'-'.join(merge) or 'plain'}.yaml"
    update = {"merge": merge}
    component = {"version": "0.1.0", "configurationUpdate": update}
    path.write_text(yaml.safe_dump({"components": {TELEMETRY: component}}))
    return path


@pytest.mark.parametrize(
    ("dialect", "progress"),
    [("classic", "FAILED_NO_STATE_CHANGE"), ("lite", "SUCCESSFUL")],
)
def test_a_wrong_configuration_is_refused_by_the_component_before_it_is_in_force(
    tmp_path: Path, dialect: str, progress: str
) -> None:
    root = tmp_path / "nucleus"
    given = ("--root", str(root), "--source", str(REPOSITORY), "--broker", "127.0.0.1:9")
    recipes = ("--recipes", str(REPOSITORY / "recipes"), "--dialect", dialect)
    plain = ("--deployment", str(deployment(tmp_path, {})))
    with run_module("hil.nucleus", *given, *recipes, *plain, *QUICK) as process:
        running = RunningNucleus(root, process)
        wait_until(lambda: "component runs" in running.log(TELEMETRY))
        wrong = deployment(tmp_path, {"intervalS": "often"})
        with run_module(
            "hil.nucleus.deploy", "--root", str(root), "--deployment", str(wrong)
        ) as command:
            command.wait(60)
        record = next(iter(json.loads((root / "deployments.json").read_text()).values()))
        assert record["progress"] == progress
        if dialect == "classic":
            assert "/intervalS" in record["causes"][0]
        else:  # Nucleus Lite asks nobody; the component keeps its last good configuration
            wait_until(lambda: "configuration refused" in running.log(TELEMETRY))
        assert running.component(TELEMETRY)["state"] == "RUNNING"
        assert running.component(TELEMETRY)["restarts"] == 0
        running.stop()
    assert "asked to stop" in running.log(TELEMETRY)
