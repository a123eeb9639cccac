"""The nucleus as its users start it: a command, recipes, a broker, components with the SDK's client."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.nucleus.running_nucleus import (
    REPOSITORY,
    RecipeBuilder,
    broker,
    nucleus,
    run_module,
    wait_until,
)

PING = "com.example.Ping"
PROGRAM = """
import os, sys, time
from awsiot.greengrasscoreipc import model
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

client = GreengrassCoreIPCClientV2(executor=None)
print("rate", client.get_configuration(key_path=["rate"]).value["rate"], flush=True)
while True:
    try:
        # 0: with either nucleus the answer tells whether the broker is there
        client.publish_to_iot_core(topic_name="cloud/ping", qos="0", payload=b"x")
        print("delivered", flush=True)
    except model.ServiceError:
        print("refused", flush=True)
    time.sleep(0.05)
"""


def ping(folder: Path) -> RecipeBuilder:
    (folder / "ping.py").write_text(PROGRAM)
    component = RecipeBuilder(PING, run=f'exec "$SIGHTLINE_PYTHON" {folder / "ping.py"}')
    allowed = {"operations": ["aws.greengrass#PublishToIoTCore"], "resources": ["cloud/#"]}
    component.configuration = {
        "rate": 0.5,
        "accessControl": {"aws.greengrass.ipc.mqttproxy": {"1": allowed}},
    }
    return component


@pytest.mark.parametrize("dialect", ["classic", "lite"])
def test_a_component_started_from_its_recipe_reaches_the_broker(
    tmp_path: Path, dialect: str
) -> None:
    with (
        broker(tmp_path) as (_, port),
        nucleus(tmp_path, [ping(tmp_path)], port=port, dialect=dialect) as running,
    ):
        wait_until(lambda: "delivered" in running.log(PING))
    assert "rate 0.5" in running.log(PING)


def test_a_broker_that_goes_and_comes_back_is_found_again(tmp_path: Path) -> None:
    with broker(tmp_path) as (_, port), nucleus(tmp_path, [ping(tmp_path)], port=port) as running:
        wait_until(lambda: running.log(PING).endswith("delivered\n"))
    with nucleus(tmp_path, [ping(tmp_path)], port=port) as running:
        wait_until(lambda: running.log(PING).endswith("refused\n"))
        with broker(tmp_path, port) as (process, _):
            wait_until(lambda: running.log(PING).endswith("delivered\n"))
            process.kill()
            wait_until(lambda: running.log(PING).endswith("refused\n"))
        with broker(tmp_path, port):
            wait_until(lambda: running.log(PING).endswith("delivered\n"))
        assert running.component(PING)["restarts"] == 0


def test_a_recipe_that_is_wrong_ends_the_command_with_its_place(tmp_path: Path) -> None:
    component = RecipeBuilder(PING, run="true")
    component.dependencies = {"com.example.Absent": {"DependencyType": "HARD"}}
    with nucleus(tmp_path, [component]) as running:
        assert running.process.wait(30) == 1
        assert running.process.stderr is not None
        words = running.process.stderr.read().decode()
    assert "com.example.Ping at /ComponentDependencies/com.example.Absent" in words
    assert "Traceback" not in words


def test_a_merge_for_a_component_that_is_not_deployed_is_refused(tmp_path: Path) -> None:
    with nucleus(
        tmp_path, [RecipeBuilder(PING, run="true")], {"com.example.Absent": {}}
    ) as running:
        assert running.process.wait(30) == 1
        assert running.process.stderr is not None
        assert b"at /com.example.Absent" in running.process.stderr.read()


@pytest.mark.parametrize("module", ["hil.nucleus", "hil.nucleus.broker"])
def test_the_commands_tell_how_they_are_used(module: str) -> None:
    told = subprocess.run(
        [sys.executable, "-m", module, "--help"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"python -m {module}" in told.stdout


def test_a_broker_whose_port_is_taken_says_so(tmp_path: Path) -> None:
    with (
        broker(tmp_path) as (_, port),
        run_module("hil.nucleus.broker", "--port", str(port)) as second,
    ):
        _, words = second.communicate(timeout=30)
    assert second.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}".encode() in words
