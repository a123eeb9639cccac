"""A component of the suite under Nucleus Lite hears again after the nucleus forgot its subscriptions."""

import os
import shutil
import signal
from pathlib import Path

import yaml

from tests.unit.nucleus.running_nucleus import (
    REPOSITORY,
    RecipeBuilder,
    RunningNucleus,
    run_module,
    wait_until,
)

TELEMETRY, FEEDER = "com.sightline.Telemetry", "com.example.Feeder"
PROGRAM = """
import os, time
from awsiot.greengrasscoreipc import model
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
from sightline.messaging.codec import encode
from sightline.messaging.messages import MachineSamples, TagSample

client = GreengrassCoreIPCClientV2(executor=None)

def hear(event):
    print("state", flush=True)

def open_anew():  # as a stand-in for whoever subscribed after the loss
    return client.subscribe_to_topic(
        topic="sightline/machine/state",
        on_stream_event=hear,
        on_stream_error=lambda error: False,
        on_stream_closed=lambda: None,
    )[1]

sequence, operation = 0, open_anew()
while True:
    sequence += 1
    if sequence % 10 == 0:
        operation.close()
        operation = open_anew()
    sample = TagSample(
        tag="belt_speed", value=1.0, unit="m/s", quality="good", source_utc_ns=time.time_ns()
    )
    samples = MachineSamples(
        station_id=os.environ["AWS_IOT_THING_NAME"], equipment_id="conveyor-1", line_id="line-1",
        sequence=sequence, sampled_utc_ns=time.time_ns(), samples=(sample,),
    )
    content = model.BinaryMessage(message=encode(samples))
    message = model.PublishMessage(binary_message=content)
    client.publish_to_topic(topic="sightline/machine/samples", publish_message=message)
    print("sent", flush=True)
    time.sleep(0.1)
"""


def recipes_of(folder: Path) -> Path:
    """Telemetry's own recipe, and a component that feeds it and hears what comes of it."""
    recipes = folder / "recipes"
    recipes.mkdir()
    shutil.copy(REPOSITORY / "recipes" / f"{TELEMETRY}.yaml", recipes)
    (folder / "feeder.py").write_text(PROGRAM)
    feeder = RecipeBuilder(FEEDER, run=f'exec "$SIGHTLINE_PYTHON" {folder / "feeder.py"}')
    feeder.configuration = {
        "accessControl": {
            "aws.greengrass.ipc.pubsub": {"1": {"operations": ["*"], "resources": ["*"]}}
        }
    }
    (recipes / f"{FEEDER}.yaml").write_text(yaml.safe_dump(feeder.recipe()))
    version = yaml.safe_load((recipes / f"{TELEMETRY}.yaml").read_text())["ComponentVersion"]
    deployed = {TELEMETRY: {"version": version}, FEEDER: {"version": feeder.version}}
    (folder / "deployment.yaml").write_text(yaml.safe_dump({"components": deployed}))
    return recipes


def test_a_component_that_was_made_deaf_hears_again_without_being_started_again(
    tmp_path: Path,
) -> None:
    recipes, root = recipes_of(tmp_path), tmp_path / "nucleus"
    arguments = (
        *("--root", str(root), "--recipes", str(recipes), "--source", str(REPOSITORY)),
        *("--deployment", str(tmp_path / "deployment.yaml"), "--broker", "127.0.0.1:9"),
        *("--dialect", "lite", "--thing-name", "test-thing"),
    )
    with run_module("hil.nucleus", *arguments) as process:
        running = RunningNucleus(root, process)
        wait_until(lambda: "state" in running.log(FEEDER).split())
        os.kill(process.pid, signal.SIGUSR1)
        wait_until(lambda: "no message is delivered; subscribing again" in running.log(TELEMETRY))
        before = running.log(FEEDER).count("state")
        wait_until(lambda: running.log(FEEDER).count("state") > before)
        assert running.component(TELEMETRY)["restarts"] == 0
        running.stop()
