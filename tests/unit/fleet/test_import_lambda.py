"""Telemetry's Lambda form becomes a component by requests that the services' own models accept."""

import itertools
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.fleet.fake_aws_endpoint import BotocoreService, Json, ServiceRefusalError, serving
from tests.unit.fleet.fake_greengrass import ACCOUNT, REGION, FakeGreengrass
from tools.fleet import lambda_component
from tools.fleet.__main__ import main

ROLE = f"arn:aws:iam::{ACCOUNT}:role/telemetry"
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:sightline-telemetry"
Capture = pytest.CaptureFixture[str]


class Functions:
    """AWS Lambda in memory: a function, and versions of it; a change is in progress for two looks."""

    def __init__(self) -> None:
        self.functions: dict[str, Json] = {}
        self._versions = itertools.count(4)
        self._looks_until_done = 0
        self.service = BotocoreService(
            "lambda",
            {
                "CreateFunction": self._create,
                "UpdateFunctionCode": self._update,
                "GetFunction": self._get,
                "PublishVersion": self._publish,
            },
        )

    def _create(self, request: Json) -> Json:
        if request["FunctionName"] in self.functions:
            raise ServiceRefusalError("ResourceConflictException", "it is there", 409)
        self.functions[request["FunctionName"]] = request
        self._looks_until_done = 2
        return {"FunctionArn": ARN}

    def _update(self, request: Json) -> Json:
        self._refuse_while_changing()
        self.functions[request["FunctionName"]] |= request
        self._looks_until_done = 2
        return {"FunctionArn": ARN}

    def _get(self, request: Json) -> Json:
        status = "InProgress" if self._looks_until_done else "Successful"
        self._looks_until_done = max(0, self._looks_until_done - 1)
        name = request["FunctionName"]
        state = {"FunctionName": name, "State": "Active", "LastUpdateStatus": status}
        return {"Configuration": state}

    def _publish(self, request: Json) -> Json:
        self._refuse_while_changing()
        return {"FunctionArn": f"{ARN}:{next(self._versions)}"}

    def _refuse_while_changing(self) -> None:
        if self._looks_until_done:
            raise ServiceRefusalError("ResourceConflictException", "an update is in progress", 409)


@pytest.fixture
def functions() -> Functions:
    return Functions()


@pytest.fixture
def words(
    functions: Functions,
    greengrass: FakeGreengrass,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[list[str]]:
    """The command line of an import; no wheels are fetched."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr(lambda_component, "fetch_wheels", lambda *_: ())
    monkeypatch.setattr("botocore.waiter.time.sleep", lambda _: None)
    with serving(functions.service, greengrass.service) as address:
        place = ["--region", REGION, "--account", ACCOUNT, "--endpoint-url", address]
        yield ["import-lambda", *place, "--role", ROLE, "--zip", str(tmp_path / "code.zip")]


def test_a_dry_run_writes_the_zip_and_prints_the_three_requests(
    words: list[str], functions: Functions, capsys: Capture, tmp_path: Path
) -> None:
    assert main([*words, "--merge", '{"intervalS": 2.0}']) == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    operations = [entry["operation"] for entry in printed]
    assert operations == ["CreateFunction", "PublishVersion", "CreateComponentVersion"]
    component: Any = printed[2]["request"]["lambdaFunction"]
    assert component["lambdaArn"] == f"{ARN}:1"
    parameters = component["componentLambdaParameters"]
    given = json.loads(parameters["environmentVariables"]["TELEMETRY_CONFIGURATION"])
    assert given == {"intervalS": 2.0}
    assert functions.functions == {}
    with zipfile.ZipFile(tmp_path / "code.zip") as code:
        assert {"telemetry/lambda_function.py", "sightline/messaging/topics.py"} <= set(
            code.namelist()
        )


def test_an_import_publishes_a_version_and_names_it_in_the_component(
    words: list[str], functions: Functions, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    assert main([*words, "--send"]) == 0
    (component,) = greengrass.components.values()
    assert component["lambdaFunction"]["lambdaArn"] == f"{ARN}:4"
    created = functions.functions["sightline-telemetry"]
    assert (created["Role"], created["Architectures"]) == (ROLE, ["arm64"])
    assert "components:com.sightline.TelemetryLambda:versions:" in capsys.readouterr().err


def test_the_same_import_given_again_sends_nothing_and_is_no_error(
    words: list[str], functions: Functions, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    assert main([*words, "--send"]) == 0
    asked = dict(functions.service.asked)
    capsys.readouterr()
    for again in (["--send"], []):
        assert main([*words, *again]) == 0
        said = capsys.readouterr()
        assert "is already there with this content; nothing to do" in said.err
        assert said.out == ""
    assert dict(functions.service.asked) == asked
    assert len(greengrass.components) == 1


def test_other_content_under_the_same_version_is_refused_before_a_function_version_is_made(
    words: list[str], functions: Functions, capsys: Capture
) -> None:
    assert main([*words, "--send"]) == 0
    asked = dict(functions.service.asked)
    for again in (["--send"], []):
        assert main([*words, *again, "--merge", '{"intervalS": 2.0}']) == 1
        said = capsys.readouterr().err
        assert "with other content, and a version never changes; raise componentVersion" in said
    assert dict(functions.service.asked) == asked


def test_an_import_that_stopped_before_the_component_was_made_goes_on(
    words: list[str], functions: Functions, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    assert main([*words, "--send"]) == 0
    greengrass.components.clear()
    assert main([*words, "--send", "--architecture", "x86_64"]) == 0
    assert functions.functions["sightline-telemetry"]["Architectures"] == ["x86_64"]
    assert functions.service.asked["PublishVersion"] == 2
    assert "an update is in progress" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "role",
    ["foo", "arn:aws:iam::999999999999:role/telemetry", "arn:aws:iam::123456789012:user/kim"],
)
def test_a_role_that_is_none_of_this_account_is_refused_in_the_dry_run(
    words: list[str], capsys: Capture, role: str
) -> None:
    given = [role if word == ROLE else word for word in words]
    assert main(given) == 1
    assert f"--role: found {role!r}; expected the ARN of a role" in capsys.readouterr().err


def test_a_change_that_telemetry_would_refuse_is_refused(words: list[str], capsys: Capture) -> None:
    assert main([*words, "--merge", "[1]"]) == 1
    assert "expected a JSON object" in capsys.readouterr().err
    assert main([*words, "--merge", '{"intervalS": -1}']) == 1
    assert "TelemetryConfiguration at /intervalS" in capsys.readouterr().err


def test_the_zip_is_the_same_to_the_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lambda_component, "fetch_wheels", lambda *_: ())
    one, other = tmp_path / "one.zip", tmp_path / "other.zip"
    for target in (one, other):
        lambda_component.write_zip(target, "python3.11", "aarch64", tmp_path)
    assert one.read_bytes() == other.read_bytes()
