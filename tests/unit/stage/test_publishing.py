"""What was staged is published as gdk would: artifact, then recipe, in a version that is not there yet."""

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

from tests.unit.fleet.fake_aws_endpoint import serving
from tests.unit.fleet.fake_greengrass import ACCOUNT, REGION, FakeGreengrass
from tools.stage import archive
from tools.stage.__main__ import main as stage
from tools.stage.publish import main
from tools.stage.suite_version import load_suite_version

CAPTURE = "com.sightline.Capture"
BUCKET = f"sightline-components-{REGION}-{ACCOUNT}"
VERSION = load_suite_version(Path(__file__).resolve().parents[3])
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
def greengrass(store: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGreengrass]:
    """The service, and an environment in which boto3 finds it and the store."""
    service = FakeGreengrass()
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


def stored(bucket: str, key: str) -> bytes:
    client = boto3.client("s3", region_name=REGION)
    content: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    return content


def test_a_dry_run_prints_the_requests_and_sends_nothing(
    tmp_path: Path, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    staged(tmp_path)
    capsys.readouterr()
    assert publish(tmp_path, "capture") == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [entry["operation"] for entry in printed] == ["PutObject", "CreateComponentVersion"]
    assert printed[0]["request"]["Key"] == f"{CAPTURE}/{VERSION}/capture.zip"
    assert greengrass.components == {}


def test_the_recipe_names_the_artifact_where_it_was_put(
    tmp_path: Path, greengrass: FakeGreengrass, store: str
) -> None:
    assert publish(staged(tmp_path), "capture", "--send") == 0
    (request,) = greengrass.components.values()
    recipe = yaml.safe_load(request["inlineRecipe"])
    assert recipe["ComponentVersion"] == VERSION
    (uri,) = [artifact["Uri"] for artifact in recipe["Manifests"][0]["Artifacts"]]
    bucket, key = uri.removeprefix("s3://").split("/", 1)
    assert bucket == BUCKET
    (artifact,) = tmp_path.rglob("capture.zip")
    assert stored(bucket, key) == artifact.read_bytes()


def test_a_broken_off_publication_of_all_can_be_given_again(
    tmp_path: Path, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    assert publish(staged(tmp_path), "capture", "--send") == 0
    capsys.readouterr()
    assert publish(tmp_path, "capture", "--send") == 0
    assert f"{CAPTURE} {VERSION} is already published" in capsys.readouterr().out
    assert greengrass.service.asked["CreateComponentVersion"] == 1


@pytest.mark.parametrize("changed", ["capture/component.py", "recipe.yaml"])
def test_other_content_under_a_published_version_is_refused_and_overwrites_nothing(
    changed: str, tmp_path: Path, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    folder = staged(tmp_path) / CAPTURE
    assert publish(tmp_path, "capture", "--send") == 0
    before = stored(BUCKET, f"{CAPTURE}/{VERSION}/capture.zip")
    with (folder / changed).open("a") as file:
        file.write("# another line\n")
    archive.build_artifact(folder)
    assert publish(tmp_path, "capture", "--send") == 1
    assert f"{CAPTURE} {VERSION} is already published with other content" in capsys.readouterr().err
    assert stored(BUCKET, f"{CAPTURE}/{VERSION}/capture.zip") == before


def test_next_patch_is_one_more_than_the_greatest_in_the_account(
    tmp_path: Path, greengrass: FakeGreengrass, capsys: Capture
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
    tmp_path: Path, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    assert publish(tmp_path, "capture", "--send") == 1
    assert f"{CAPTURE}: not staged" in capsys.readouterr().err
