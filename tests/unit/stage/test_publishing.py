"""What was staged is published as gdk would: artifact, then recipe, in a version that is not there yet."""

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

from tests.unit.fleet.endpoint import serving
from tests.unit.fleet.greengrass import ACCOUNT, REGION, Greengrass
from tools.stage.__main__ import main as stage
from tools.stage.publish import main
from tools.stage.versions import read_suite_version

CAPTURE = "com.sightline.Capture"
BUCKET = f"sightline-components-{REGION}-{ACCOUNT}"
VERSION = read_suite_version(Path(__file__).resolve().parents[3])
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """An S3 server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def greengrass(store: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Greengrass]:
    """The service, and an environment in which boto3 finds it and the store."""
    service = Greengrass()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", store)
    with serving(service.service) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_GREENGRASSV2", address)
        yield service


def publish(target: Path, *words: str) -> int:
    place = ("--region", REGION, "--account", ACCOUNT, "--target", str(target))
    return main([*words, *place])


def staged(target: Path, *words: str) -> Path:
    assert stage(["capture", "--wheels", "none", "--target", str(target), *words]) == 0
    return target


def test_a_dry_run_prints_the_requests_and_sends_nothing(
    tmp_path: Path, greengrass: Greengrass, capsys: Capture
) -> None:
    staged(tmp_path)
    capsys.readouterr()
    assert publish(tmp_path, "capture") == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [entry["operation"] for entry in printed] == ["PutObject", "CreateComponentVersion"]
    assert printed[0]["request"]["Key"] == f"{CAPTURE}/{VERSION}/capture.zip"
    assert greengrass.components == {}


def test_the_recipe_names_the_artifact_where_it_was_put(
    tmp_path: Path, greengrass: Greengrass, store: str
) -> None:
    assert publish(staged(tmp_path), "capture", "--send") == 0
    (request,) = greengrass.components.values()
    recipe = yaml.safe_load(request["inlineRecipe"])
    assert recipe["ComponentVersion"] == VERSION
    (uri,) = [artifact["Uri"] for artifact in recipe["Manifests"][0]["Artifacts"]]
    bucket, key = uri.removeprefix("s3://").split("/", 1)
    assert bucket == BUCKET
    client = boto3.client("s3", region_name=REGION)
    (artifact,) = tmp_path.rglob("capture.zip")
    assert client.get_object(Bucket=bucket, Key=key)["Body"].read() == artifact.read_bytes()
    assert publish(tmp_path, "capture", "--send") == 1  # this version is there


def test_next_patch_is_one_more_than_the_greatest_in_the_account(
    tmp_path: Path, greengrass: Greengrass, capsys: Capture
) -> None:
    staged(tmp_path, "--version", "NEXT_PATCH")
    assert publish(tmp_path, "capture", "--send") == 0
    assert f"{CAPTURE} {VERSION} -> " in capsys.readouterr().out  # there was none
    (arn,) = greengrass.components
    for patch in (9, 10):
        greengrass.components[f"{arn.rsplit('.', 1)[0]}.{patch}"] = {}
    assert publish(tmp_path, "capture", "--send") == 0
    assert f"{CAPTURE} {VERSION.rsplit('.', 1)[0]}.11 -> " in capsys.readouterr().out


def test_what_is_not_staged_is_named(
    tmp_path: Path, greengrass: Greengrass, capsys: Capture
) -> None:
    assert publish(tmp_path, "capture", "--send") == 1
    assert f"{CAPTURE}: not staged" in capsys.readouterr().err
