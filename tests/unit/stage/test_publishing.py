"""What was staged is published as gdk would: artifact, then recipe, in a version that is not there yet."""

import base64
import hashlib
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
from tools.stage.layout import SUITE, StagingOptions, stage_suite
from tools.stage.next_version import resolve_version
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


@pytest.fixture
def empty(greengrass: FakeGreengrass) -> None:
    """No bucket of components is left from another test."""
    bucket = boto3.resource("s3", region_name=REGION).Bucket(BUCKET)
    if bucket in boto3.resource("s3", region_name=REGION).buckets.all():
        bucket.objects.all().delete()
        bucket.delete()


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


def published_by_gdk(folder: Path, greengrass: FakeGreengrass, digest: str = "") -> None:
    """What `gdk component publish` leaves: the same recipe and bytes, no metadata of this tool's."""
    (artifact,) = folder.rglob("capture.zip")
    client, place = boto3.client("s3", region_name=REGION), f"{CAPTURE}/{VERSION}"
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    client.upload_file(str(artifact), BUCKET, f"{place}/capture.zip")
    recipe = (folder / "recipe.yaml").read_text()
    recipe = recipe.replace("BUCKET_NAME", BUCKET).replace("COMPONENT_NAME", CAPTURE)
    arn = f"arn:aws:greengrass:{REGION}:{ACCOUNT}:components:{CAPTURE}:versions:{VERSION}"
    added = {"Digest": digest, "Algorithm": "SHA-256"} if digest else {}
    greengrass.components[arn] = {
        "inlineRecipe": recipe.replace("COMPONENT_VERSION", VERSION),
        "added": added,
    }


def sha256_of(folder: Path) -> str:
    (artifact,) = folder.rglob("capture.zip")
    return base64.b64encode(hashlib.sha256(artifact.read_bytes()).digest()).decode()


@pytest.mark.parametrize("has_digest", [False, True])
def test_the_same_content_that_gdk_published_is_no_error(
    has_digest: bool, tmp_path: Path, greengrass: FakeGreengrass, empty: None, capsys: Capture
) -> None:
    folder = staged(tmp_path) / CAPTURE
    published_by_gdk(folder, greengrass, sha256_of(folder) if has_digest else "")
    assert publish(tmp_path, "capture", "--send") == 0
    assert "is already published with the same content" in capsys.readouterr().out
    assert greengrass.service.asked["CreateComponentVersion"] == 0


@pytest.mark.parametrize("changed", ["capture/component.py", "recipe.yaml"])
def test_other_content_that_gdk_published_is_refused(
    changed: str, tmp_path: Path, greengrass: FakeGreengrass, empty: None, capsys: Capture
) -> None:
    folder = staged(tmp_path) / CAPTURE
    published_by_gdk(folder, greengrass)
    with (folder / changed).open("a") as file:
        file.write("X: 1\n")
    archive.build_artifact(folder)
    assert publish(tmp_path, "capture", "--send") == 1
    assert "already published with other content" in capsys.readouterr().err


def test_next_patch_is_one_number_for_all_components(
    tmp_path: Path, greengrass: FakeGreengrass
) -> None:
    begin = f"arn:aws:greengrass:{REGION}:{ACCOUNT}:components:com.sightline."
    line = VERSION.rsplit(".", 1)[0]
    for name, version in (("Capture", "9"), ("Publisher", "10")):
        greengrass.components[f"{begin}{name}:versions:{line}.{version}"] = {}
    words = ["capture", "inference", "--wheels", "none", "--target", str(tmp_path)]
    account = ["--version", "NEXT_PATCH", "--region", REGION, "--account", ACCOUNT]
    assert stage([*words, *account]) == 0
    for name in (CAPTURE, "com.sightline.Inference"):
        recipe = yaml.safe_load((tmp_path / name / "recipe.yaml").read_text())
        configuration = json.loads((tmp_path / name / "gdk-config.json").read_text())
        assert recipe["ComponentVersion"] == f"{line}.11"
        assert configuration["component"][name]["version"] == f"{line}.11"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], "0.2.0"),  # a new account: the sources' own, not gdk's 1.0.0
        (["0.2.4", "0.2.10"], "0.2.11"),
        (["0.1.9"], "0.2.0"),
        (["1.0.0"], "0.2.0"),
    ],
)
def test_the_next_patch_is_of_the_sources_minor_version(found: list[str], expected: str) -> None:
    assert resolve_version("NEXT_PATCH", "0.2.0", ["one"], lambda name: found) == expected


def test_a_folder_in_which_gdk_would_choose_the_version_is_refused(
    tmp_path: Path, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    path = staged(tmp_path) / CAPTURE / "gdk-config.json"
    path.write_text(path.read_text().replace(f'"{VERSION}"', '"NEXT_PATCH"'))
    assert publish(tmp_path, "capture", "--send") == 1
    assert "gives each component another number" in capsys.readouterr().err
    with pytest.raises(ValueError, match="gives each component another number"):
        archive.build_artifact(path.parent)


def test_the_whole_suite_is_published_by_name_and_twice_is_no_error(
    tmp_path: Path, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    stage_suite(StagingOptions(VERSION, VERSION, (), (), tmp_path, tmp_path / "cache"))
    assert publish(tmp_path, "suite", "--send") == 0
    assert publish(tmp_path, "suite", "--send") == 0
    assert f"{SUITE} {VERSION} is already published" in capsys.readouterr().out
    assert greengrass.service.asked["CreateComponentVersion"] == 1
    (request,) = greengrass.components.values()
    assert yaml.safe_load(request["inlineRecipe"])["ComponentName"] == SUITE


def test_what_is_not_staged_is_named(
    tmp_path: Path, greengrass: FakeGreengrass, capsys: Capture
) -> None:
    assert publish(tmp_path, "capture", "--send") == 1
    assert f"{CAPTURE}: not staged" in capsys.readouterr().err
