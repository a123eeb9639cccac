"""A deployment asks the components: is the new configuration valid, and may it be now."""

import json
from pathlib import Path

from tests.unit.nucleus.deployment_kit import begun_deployment, deploy, running_with
from tests.unit.nucleus.running_nucleus import RecipeBuilder, wait_until

NAME, OTHER = "com.example.Asked", "com.example.Other"
FOREVER = "while :; do sleep 0.05; done"
PROGRAM = """
import pathlib, sys, threading, time
from awsiot.greengrasscoreipc import model
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

client = GreengrassCoreIPCClientV2()

def on_configuration(events):
    event = events.validate_configuration_update_event
    limit = event.configuration["limit"]
    print("asked about", limit, flush=True)
    if limit == 0:
        return
    good = limit < 100
    report = model.ConfigurationValidityReport(
        status="ACCEPTED" if good else "REJECTED",
        deployment_id=event.deployment_id,
        message=None if good else f"{limit} is too much",
    )
    client.send_configuration_validity_report(configuration_validity_report=report)

def on_update(events):
    if events.pre_update_event is not None:
        busy = pathlib.Path("busy").exists()
        print("update:", "not now" if busy else "go on", flush=True)
        client.defer_component_update(
            deployment_id=events.pre_update_event.deployment_id,
            recheck_after_ms=100 if busy else 0,
        )
    if events.post_update_event is not None:
        print("update: over", flush=True)

def on_changed(events):
    value = client.get_configuration(key_path=["limit"]).value["limit"]
    print("changed to", value, flush=True)

quiet = dict(on_stream_error=lambda error: False, on_stream_closed=lambda: None)
client.subscribe_to_validate_configuration_updates(on_stream_event=on_configuration, **quiet)
client.subscribe_to_component_updates(on_stream_event=on_update, **quiet)
client.subscribe_to_configuration_update(key_path=[], on_stream_event=on_changed, **quiet)
print("up", flush=True)
time.sleep(1000)
"""


def asked(folder: Path) -> RecipeBuilder:
    """A component that has a word to say."""
    (folder / "asked.py").write_text(PROGRAM)
    component = RecipeBuilder(NAME, run=f'exec "$SIGHTLINE_PYTHON" {folder / "asked.py"}')
    component.configuration = {"limit": 1}
    return component


def test_a_configuration_that_its_component_accepts_comes_into_force(tmp_path: Path) -> None:
    with running_with(tmp_path, asked(tmp_path)) as running:
        wait_until(lambda: "up" in running.log(NAME))
        assert deploy(tmp_path, [asked(tmp_path)], {NAME: {"limit": 50}})[0] == 0
        wait_until(lambda: "changed to 50" in running.log(NAME))
    assert running.log(NAME).index("asked about 50") < running.log(NAME).index("changed to 50")
    assert "update: go on" not in running.log(NAME)  # nothing was to be stopped


def test_a_configuration_that_its_component_rejects_changes_nothing(tmp_path: Path) -> None:
    other = RecipeBuilder(OTHER, run=FOREVER)
    with running_with(tmp_path, asked(tmp_path)) as running:
        wait_until(lambda: "up" in running.log(NAME))
        code, words = deploy(tmp_path, [asked(tmp_path), other], {NAME: {"limit": 500}})
        assert code == 3
        assert f"FAILED_NO_STATE_CHANGE {NAME}: 500 is too much" in words
        assert running.component(OTHER) == {}
        stored = json.loads((running.root / "configuration" / f"{NAME}.json").read_text())
    assert stored["values"]["limit"] == 1
    assert "changed" not in running.log(NAME)


def test_a_component_that_is_busy_defers_the_update_until_it_is_not(tmp_path: Path) -> None:
    other = RecipeBuilder(OTHER, run=FOREVER)
    with running_with(tmp_path, asked(tmp_path)) as running:
        wait_until(lambda: "up" in running.log(NAME))
        busy = running.root / "work" / NAME / "busy"
        busy.touch()
        with begun_deployment(tmp_path, [asked(tmp_path), other]) as command:
            wait_until(lambda: running.log(NAME).count("not now") >= 2)
            assert running.component(OTHER) == {}
            busy.unlink()
            assert command.wait(60) == 0
        assert running.component(OTHER)["state"] == "RUNNING"
        wait_until(lambda: "update: over" in running.log(NAME))
