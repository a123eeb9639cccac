"""What a Lambda component is made from: its description, the router's subscriptions, an ARN."""

import json
import runpy
import threading
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml
from botocore.validate import ParamValidator

from hil.nucleus.dialects.dialect import CLASSIC, LITE
from hil.nucleus.lambdas.lambda_description import (
    ROUTER,
    build_lambda_recipe,
    load_lambda_description,
    load_lambda_recipes,
)
from hil.nucleus.lambdas.subscription_router import (
    NotRoutedError,
    RouterSubscription,
    SubscriptionRouter,
    parse_router_subscriptions,
)
from sightline.configuration import load_configuration
from sightline.errors import RecipeError
from sightline.messaging.topics import BEATS, MACHINE_SAMPLES, TELEMETRY, streams_sent_by
from telemetry.configuration import TelemetryConfiguration
from telemetry.lambda_function import CONFIGURATION_VARIABLE
from tests.unit.nucleus.lambda_kit import ARN, FUNCTION, SUBSCRIPTIONS, description
from tests.unit.nucleus.running_nucleus import REPOSITORY, wait_until

LAMBDAS = REPOSITORY / "recipes" / "lambda"


def calls_of(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


@pytest.mark.parametrize("path", sorted(LAMBDAS.glob("*.json")), ids=lambda path: path.stem)
def test_a_description_is_what_the_service_model_of_aws_takes(path: Path) -> None:
    calls = calls_of(path)
    session = botocore.session.get_session()
    component = session.get_service_model("greengrassv2").operation_model("CreateComponentVersion")
    function = session.get_service_model("lambda").operation_model("CreateFunction")
    added = {"Role": "arn:aws:iam::123456789012:role/x", "Code": {"ZipFile": b""}}
    validator = ParamValidator()
    for given, operation in (
        (calls["createComponentVersion"], component),
        ({**calls["createFunction"], **added}, function),
    ):
        report = validator.validate(given, operation.input_shape)
        assert not report.has_errors(), report.generate_report()
        _check_values(given, operation.input_shape)


def _check_values(value: Any, shape: Any) -> None:
    """What botocore's own validation leaves out: allowed words, and no unknown keys."""
    if shape.type_name == "structure":
        for key, item in value.items():
            _check_values(item, shape.members[key])
    elif shape.type_name == "list":
        for item in value:
            _check_values(item, shape.member)
    elif shape.type_name == "map":
        for item in value.values():
            _check_values(item, shape.value)
    elif getattr(shape, "enum", None):
        assert value in shape.enum


def test_the_telemetry_lambda_reads_its_stream_and_has_a_good_configuration() -> None:
    calls = calls_of(LAMBDAS / "com.sightline.TelemetryLambda.json")
    parameters = calls["createComponentVersion"]["lambdaFunction"]["componentLambdaParameters"]
    assert parameters["eventSources"] == [{"topic": MACHINE_SAMPLES.topic, "type": "PUB_SUB"}]
    assert parameters["pinned"] is True  # its windows and intervals are in memory
    values = json.loads(parameters["environmentVariables"][CONFIGURATION_VARIABLE])
    assert load_configuration(TelemetryConfiguration, values) == TelemetryConfiguration()


def test_the_deployment_routes_each_stream_that_telemetry_sends() -> None:
    text = (REPOSITORY / "recipes" / "deployments" / "laptop-lambda.yaml").read_text()
    router = yaml.safe_load(text)["components"][ROUTER]["configurationUpdate"]["merge"]
    rows = parse_router_subscriptions(router)
    routed = {(row.subject.replace("+", "{thing}"), row.target) for row in rows}
    targets = {"local": "pubsub", "cloud": "cloud"}
    sent = [s for s in streams_sent_by(TELEMETRY) if s is not BEATS[TELEMETRY]]  # the host's own
    assert routed == {(s.topic, targets[s.route]) for s in sent}


def test_nucleus_lite_refuses_a_lambda_component_in_words(tmp_path: Path) -> None:
    lambdas = tmp_path / "recipes" / "lambda"
    lambdas.mkdir(parents=True)
    (lambdas / "function.json").write_text(json.dumps(description()))
    with pytest.raises(RecipeError, match="Nucleus Lite runs generic components only"):
        load_lambda_recipes(lambdas, {FUNCTION}, LITE)
    assert (FUNCTION, "1.0.0") in load_lambda_recipes(lambdas, {FUNCTION}, CLASSIC)
    assert (FUNCTION, "1.0.0") in load_lambda_recipes(lambdas, {"com.example.Other"}, LITE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"maxQueueSize": "many"}, "maxQueueSize"),
        ({"eventSources": [{"topic": "a", "type": "HTTP"}]}, "eventSources"),
        ({"queue": 5}, "queue"),
    ],
)
def test_a_wrong_description_is_refused_with_its_place(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = tmp_path / "function.json"
    path.write_text(json.dumps(description(**change)))
    with pytest.raises(RecipeError, match=message):
        load_lambda_description(path)


def test_a_function_needs_an_arn_with_a_version(tmp_path: Path) -> None:
    content = description()
    content["createComponentVersion"]["lambdaFunction"]["lambdaArn"] = ARN.removesuffix(":3")
    path = tmp_path / "function.json"
    path.write_text(json.dumps(content))
    with pytest.raises(RecipeError, match="with its version"):
        build_lambda_recipe(load_lambda_description(path))


class KeepingSender:
    """Keeps what is sent; its cloud can be slow."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, bytes]] = []
        self.cloud_open = threading.Event()
        self.cloud_open.set()

    def publish(self, target: str, topic: str, payload: bytes) -> None:
        """Keep it."""
        if target == "cloud":
            self.cloud_open.wait(30)
        self.sent.append((target, topic, payload))


def test_a_cloud_that_hangs_holds_up_no_local_message_and_fills_a_queue_of_its_own() -> None:
    sender = KeepingSender()
    sender.cloud_open.clear()
    rows = [
        RouterSubscription("1", f"component:{FUNCTION}", "a/#", "pubsub"),
        RouterSubscription("2", f"component:{FUNCTION}", "far/+", "cloud"),
        RouterSubscription("3", "component:com.example.Other", "b", "pubsub"),
    ]
    router = SubscriptionRouter(FUNCTION, ARN, rows, sender)
    for number in range(60):
        router.route("far/away", b"%d" % number, "BestEffort")
    with pytest.raises(NotRoutedError, match="the queue to the cloud is full"):
        router.route("far/away", b"one more", "AllOrError")
    router.route("a/b/c", b"near", "AllOrError")
    assert sender.sent == [("pubsub", "a/b/c", b"near")]
    with pytest.raises(NotRoutedError, match=r"no subscription exists.*subject b"):
        router.route("b", b"another's", "")
    sender.cloud_open.set()
    wait_until(lambda: len(sender.sent) >= 51)
    assert [payload for _, _, payload in sender.sent[1:4]] == [b"0", b"1", b"2"]


def test_subscriptions_are_refused_with_their_place() -> None:
    with pytest.raises(RecipeError, match=r"/subscriptions.*target"):
        parse_router_subscriptions(
            {"subscriptions": {"1": {**SUBSCRIPTIONS["far"], "target": "moon"}}}
        )
    assert parse_router_subscriptions({}) == []


def test_an_arn_comes_apart_into_its_fields() -> None:
    place = (
        REPOSITORY / "hil/nucleus/lambdas/lambda_modules/greengrass_common/function_arn_fields.py"
    )
    fields_of = runpy.run_path(str(place))["FunctionArnFields"]
    fields = fields_of(ARN)
    assert (fields.name, fields.qualifier, fields.account_id) == ("example", "3", "123456789012")
    assert fields_of.build_function_arn(fields.unqualified_arn, fields.qualifier) == ARN
    for wrong in ("example", ARN.replace("lambda", "s3"), ARN + ":more"):
        with pytest.raises(ValueError, match="expected"):
            fields_of(wrong)
