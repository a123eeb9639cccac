"""A Lambda function that a test writes, under a real nucleus, with a component to talk to."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from awscrt import mqtt

from hil.nucleus.lambdas.lambda_description import (
    ROUTER,
    ROUTER_VERSION,
)
from tests.unit.nucleus.running_nucleus import (
    RecipeBuilder,
    RunningNucleus,
    run_module,
    wait_until,
)

FUNCTION = "com.example.Function"
ARN = "arn:aws:lambda:us-east-1:123456789012:function:example:3"
ECHO = """
import json, os
import greengrasssdk
from greengrasssdk.Lambda import InvocationException
client = greengrasssdk.client("iot-data")
print("loaded, greeting", os.environ["GREETING"], "token", os.environ.get("SVCUID"), flush=True)

def handler(event, context):
    subject = context.client_context.custom["subject"]
    print("event", json.dumps(event), "on", subject, "of", context.function_name, flush=True)
    if event.get("fail"):
        raise ValueError("asked to fail")
    if event.get("hang"):
        while True:
            pass
    try:
        client.publish(topic=event.get("to", "answers"), payload=json.dumps(event).encode())
    except InvocationException as error:
        print("refused:", error, flush=True)
"""
PEER = """
import json, sys, time
from awsiot.greengrasscoreipc import model
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

client = GreengrassCoreIPCClientV2(executor=None)
def told(event):
    print("answer", event.binary_message.message.decode(), flush=True)
client.subscribe_to_topic(topic="answers", on_stream_event=told, on_stream_error=lambda e: False,
                          on_stream_closed=lambda: None)
def send(content):
    message = model.BinaryMessage(message=json.dumps(content).encode())
    client.publish_to_topic(
        topic="questions", publish_message=model.PublishMessage(binary_message=message)
    )
print("listening", flush=True)
place = 0
while True:
    lines = open(sys.argv[1]).read().split("\\n")[:-1]
    for line in lines[place:]:
        send(json.loads(line))
    place = len(lines)
    time.sleep(0.02)
"""


class RunningFunction:
    """A function under a nucleus, and a component beside it that sends events and hears answers."""

    def __init__(self, running: RunningNucleus, questions: Path) -> None:
        self.running = running
        self._questions = questions

    def send(self, *events: Any) -> None:
        """Let the peer send events."""
        with self._questions.open("a") as file:
            file.writelines(json.dumps(event) + "\n" for event in events)

    def wait_for_answer(self, event: Any) -> None:
        """Wait until the peer has heard an event back."""
        self.wait_for_line("com.example.Peer", f"answer {json.dumps(event)}")

    def wait_for_line(self, component: str, text: str, times: int = 1) -> None:
        """Wait until a component has logged a text so many times."""
        wait_until(lambda: self.running.log(component).count(text) >= times)

    def log(self) -> str:
        """What the function and its host have logged."""
        return self.running.log(FUNCTION)


def peer(folder: Path) -> RecipeBuilder:
    (folder / "peer.py").write_text(PEER)
    (folder / "questions").touch()
    component = RecipeBuilder(
        "com.example.Peer",
        run=f'exec "$SIGHTLINE_PYTHON" {folder / "peer.py"} {folder / "questions"}',
    )
    component.dependencies = {FUNCTION: {"VersionRequirement": "*", "DependencyType": "SOFT"}}
    component.configuration = {
        "accessControl": {
            "aws.greengrass.ipc.pubsub": {
                "1": {
                    "operations": [
                        "aws.greengrass#PublishToTopic",
                        "aws.greengrass#SubscribeToTopic",
                    ],
                    "resources": ["questions", "answers"],
                }
            }
        }
    }
    return component


def description(**parameters: Any) -> dict[str, Any]:
    return {
        "createFunction": {"FunctionName": "example", "Handler": "function.main.handler"},
        "createComponentVersion": {
            "lambdaFunction": {
                "lambdaArn": ARN,
                "componentName": FUNCTION,
                "componentVersion": "1.0.0",
                "componentDependencies": {ROUTER: {"versionRequirement": ">=2.1.0 <3.0.0"}},
                "componentLambdaParameters": {
                    "eventSources": [{"topic": "questions", "type": "PUB_SUB"}],
                    "environmentVariables": {"GREETING": "hello"},
                    **parameters,
                },
            }
        },
    }


SUBSCRIPTIONS = {
    "answers": {
        "id": "answers",
        "source": f"component:{FUNCTION}",
        "subject": "answers",
        "target": "pubsub",
    },
    "far": {"id": "far", "source": ARN, "subject": "far/+", "target": "cloud"},
}


@contextmanager
def function_running(
    folder: Path, code: str = ECHO, port: int = 9, **parameters: Any
) -> Iterator[RunningFunction]:
    """A nucleus with the function, its router and the peer."""
    package = folder / "source" / "components" / "function"
    lambdas = folder / "recipes" / "lambda"
    for made in (package, lambdas):
        made.mkdir(parents=True)
    (package / "main.py").write_text(code)
    (lambdas / "function.json").write_text(json.dumps(description(**parameters)))
    other = peer(folder)
    (folder / "recipes" / "peer.yaml").write_text(yaml.safe_dump(other.recipe()))
    deployed = {
        FUNCTION: {"version": "1.0.0"},
        ROUTER: {
            "version": ROUTER_VERSION,
            "configurationUpdate": {"merge": {"subscriptions": SUBSCRIPTIONS}},
        },
        other.name: {"version": other.version},
    }
    (folder / "deployment.yaml").write_text(yaml.safe_dump({"components": deployed}))
    with run_module("hil.nucleus", *arguments(folder, port)) as process:
        running = RunningFunction(RunningNucleus(folder / "nucleus", process), folder / "questions")
        running.wait_for_line("com.example.Peer", "listening")
        running.wait_for_line(FUNCTION, "is ready")
        yield running
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def arguments(folder: Path, port: int = 9, dialect: str = "classic") -> list[str]:
    return [
        *("--root", str(folder / "nucleus"), "--recipes", str(folder / "recipes")),
        *("--source", str(folder / "source"), "--deployment", str(folder / "deployment.yaml")),
        *("--broker", f"127.0.0.1:{port}", "--thing-name", "test-thing", "--dialect", dialect),
    ]


def subscriber(port: int, topic: str, heard: list[bytes]) -> Any:
    client = mqtt.Client()
    connection = mqtt.Connection(
        client=client, host_name="127.0.0.1", port=port, client_id="test-subscriber"
    )
    connection.connect().result(10)
    subscribed, _ = connection.subscribe(
        topic, mqtt.QoS.AT_LEAST_ONCE, lambda topic, payload, **_: heard.append(payload)
    )
    subscribed.result(10)
    return connection


def find_processes(folder: Path) -> list[int]:
    """The function's own processes, by the folder that their code is read from."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            environment = (place / "environ").read_bytes()
        except OSError:
            continue
        if b"LAMBDA_HOST_INSTANCE=" in environment and str(folder).encode() in environment:
            found.append(int(place.name))
    return found
