"""Predictions are stored beside the pictures, resume when interrupted, and run as SageMaker jobs."""

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from hil.plant.pool import ensure_pool
from sightline.errors import ModelError
from tests.faults.s3_server import BUCKET, S3Server
from tests.unit.training.small_data_sets import write_coco, write_picture
from training import evaluate, predict
from training.datasets import read_dataset
from training.datasets.storage import fetch_folder, open_storage
from training.evaluation import model_archive
from training.jobs.data_options import read_data

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "components" / "models" / "cap"


@pytest.fixture(scope="module")
def bottles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Rendered bottles, with a cap or without."""
    return sorted(ensure_pool(tmp_path_factory.mktemp("pool"), 3, 5, "training").rglob("*.jpg"))


def lay(bottles: list[Path], folder: Path) -> list[str]:
    """Some pictures in folders."""
    names = [f"line {n % 2}/{n}.jpg" for n in range(5)]
    for name, file in zip(names, bottles, strict=False):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(file.read_bytes())
    return sorted(names)


def test_boxes_are_drawn_into_copies_and_listed_and_a_second_run_does_nothing_again(
    tmp_path: Path, bottles: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    names = lay(bottles, tmp_path)
    assert predict.main([str(MODEL), "--data", str(tmp_path)]) == 0
    out = tmp_path / "predictions" / "cap"
    results = json.loads((out / "results.json").read_text())
    assert [one["picture"] for one in results["pictures"]] == names
    for one in results["pictures"]:
        marked = cv2.imread(str(out / (one["picture"] + ".marked.jpg")))
        plain = cv2.imread(str(tmp_path / one["picture"]))
        assert marked is not None
        assert plain is not None
        assert marked.shape == plain.shape
        assert len(one["boxes"]) >= 1
        box = one["boxes"][0]
        edge = marked[int(box["y"] + box["height"] / 2), int(box["x"])].astype(int)
        assert edge[2] > edge[0] + 60  # red, whatever the picture was
    before = {file: file.stat().st_mtime_ns for file in out.rglob("*.jpg")}
    write_picture(tmp_path / "new.png")
    (tmp_path / names[0]).write_bytes(bottles[6].read_bytes())
    assert predict.main([str(MODEL), "--data", str(tmp_path)]) == 0
    assert "6 pictures, 4 of them done before" in capsys.readouterr().err
    changed = {file for file, when in before.items() if file.stat().st_mtime_ns != when}
    assert changed == {out / (names[0] + ".marked.jpg")}


def test_a_run_that_was_killed_goes_on_where_it_was(tmp_path: Path, bottles: list[Path]) -> None:
    for number in range(60):
        (tmp_path / f"{number:02}.jpg").write_bytes(bottles[number % 12].read_bytes())
    out = tmp_path / "predictions" / "cap"
    command = [sys.executable, "-m", "training.predict", str(MODEL), "--data", str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    give_up = time.monotonic() + 120
    while len(list(out.glob("*.json"))) < 3:
        assert process.poll() is None
        assert time.monotonic() < give_up
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    predicted = {file: file.stat().st_mtime_ns for file in out.glob("*.json")}
    assert not (out / "results.json").exists()
    assert len(predicted) < 60
    assert predict.main([str(MODEL), "--data", str(tmp_path)]) == 0
    assert all(file.stat().st_mtime_ns == when for file, when in predicted.items())
    assert len(json.loads((out / "results.json").read_text())["pictures"]) == 60


def test_a_file_that_is_no_picture_is_listed_and_the_others_are_predicted(
    tmp_path: Path, bottles: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    lay(bottles, tmp_path)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    assert predict.main([str(MODEL), "--data", str(tmp_path)]) == 1
    assert "6 pictures" in capsys.readouterr().out
    results = json.loads((tmp_path / "predictions" / "cap" / "results.json").read_text())
    assert results["failed"] == 1
    assert "cannot be decoded" in results["pictures"][0]["error"]
    assert predict.main([str(tmp_path), "--data", str(tmp_path)]) == 1
    assert "has no model.onnx" in capsys.readouterr().err


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    """An S3 server with a bucket."""
    found = S3Server()
    yield found
    found.stop()


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: S3Server) -> S3Server:
    """The server, which the AWS SDK finds by its environment."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("SIGHTLINE_CACHE", str(tmp_path / "cache"))
    return server


def upload_coco(bucket: S3Server, local: Path, prefix: str) -> str:
    """Three pictures, one of them with a box; returns the address."""
    write_coco(local, [(1, (1, 2, 3, 4))])
    for file in local.iterdir():
        bucket.client.upload_file(str(file), BUCKET, f"{prefix}/{file.name}")
    return f"s3://{BUCKET}/{prefix}"


def test_predictions_go_to_a_bucket_and_changed_pictures_are_predicted_again(
    tmp_path: Path, bucket: S3Server, bottles: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    address = upload_coco(bucket, tmp_path / "local", "castings/may")
    assert predict.main([str(MODEL), "--data", address]) == 0
    names = [name for name in bucket.names() if "/predictions/cap/" in name]
    assert len(names) == 3 * 2 + 1
    found = read_dataset(fetch_folder(address))
    assert [(p.name, len(p.boxes)) for p in found.pictures] == [
        ("1.png", 1),
        ("2.png", 0),
        ("3.png", 0),
    ]
    bucket.client.upload_file(str(bottles[0]), BUCKET, "castings/may/2.png")
    capsys.readouterr()
    assert predict.main([str(MODEL), "--data", address]) == 0
    assert "3 pictures, 2 of them done before" in capsys.readouterr().err
    assert open_storage(address).fetch("2.png").read_bytes() == bottles[0].read_bytes()

    assert predict.main([str(MODEL), "--data", "s3://not-there/x"]) == 1
    assert "s3://not-there/x" in capsys.readouterr().err
    assert predict.main([str(MODEL), "--data", "s3://"]) == 1
    assert "expected s3://BUCKET/PREFIX" in capsys.readouterr().err


def test_a_bucket_serves_manifests_and_takes_reports(tmp_path: Path, bucket: S3Server) -> None:
    address = upload_coco(bucket, tmp_path / "local", "castings/june")
    line = {"source-ref": f"{address}/1.png", "anomaly-label-metadata": {"class-name": "anomaly"}}
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "train.manifest").write_text(json.dumps(line) + "\n")
    (named,) = read_dataset(tmp_path / "m").pictures
    assert (named.label, named.name, named.width) == ("anomaly", f"{address}/1.png", 40)

    both = json.dumps(line) + "\n" + json.dumps(line | {"source-ref": "3.png"}) + "\n"
    bucket.client.put_object(Bucket=BUCKET, Key="castings/june/test.manifest", Body=both.encode())
    beside = read_data(f"{address}/test.manifest", "", False)
    assert [(p.name, p.width, p.split) for p in beside.pictures] == [
        (f"{address}/1.png", 40, "test"),
        ("3.png", 40, "test"),
    ]
    report = f"s3://{BUCKET}/reports/june"
    arguments = [str(MODEL), "--data", address, "--format", "coco", "--out", report]
    assert evaluate.main(arguments) == 0
    assert {"reports/june/evaluation.json", "reports/june/report.html"} <= set(bucket.names())


def test_the_commands_run_as_sagemaker_processing_jobs_by_their_environment(
    tmp_path: Path, bottles: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTLINE_PROCESSING", str(tmp_path))
    for folder in ("input/data", "input/model", "output"):
        (tmp_path / folder).mkdir(parents=True)
    with tarfile.open(tmp_path / "input" / "model" / "model.tar.gz", "w:gz") as packed:
        packed.add(MODEL, "export/cap")
    lay(bottles, tmp_path / "input" / "data")
    assert predict.main([]) == 0
    assert (tmp_path / "output" / "results.json").is_file()
    write_coco(tmp_path / "input" / "data", [(1, (1, 2, 3, 4))])
    assert evaluate.main([]) == 0
    assert (tmp_path / "output" / "evaluation.json").is_file()
    assert "<svg" in (tmp_path / "output" / "report.html").read_text()


def test_the_channels_of_a_sagemaker_training_job_are_found_by_their_environment(
    tmp_path: Path,
) -> None:
    from training.jobs.sagemaker_environment import find_job_data, find_job_model, find_job_output

    nowhere = {"SIGHTLINE_PROCESSING": str(tmp_path / "none")}
    both = {
        "SM_CHANNEL_TRAIN": "/opt/ml/input/data/train",
        "SM_CHANNEL_TEST": "/opt/ml/input/data/test",
    }
    assert find_job_data(both) == "/opt/ml/input/data"
    assert find_job_data({"SM_CHANNEL_TRAINING": "/data/a"}) == "/data/a"
    assert find_job_output({"SM_MODEL_DIR": "/opt/ml/model"}) == "/opt/ml/model"
    assert find_job_model({"SM_CHANNEL_MODEL": "/data/m"}) == "/data/m"
    assert find_job_data(nowhere) == find_job_output(nowhere) == ""


def test_an_archive_cannot_write_outside_of_its_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.onnx").write_bytes(b"")
    with tarfile.open(tmp_path / "m.tar.gz", "w:gz") as packed:
        packed.add(tmp_path / "model.onnx", f"../{os.getpid()}/model.onnx")
    assert predict.main([str(tmp_path / "m.tar.gz"), "--data", str(tmp_path)]) == 1
    assert "leads out of the archive" in capsys.readouterr().err


def test_an_archive_that_would_fill_the_disk_is_refused_before_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_archive, "MAX_UNPACKED_BYTES", 1_000_000)
    (tmp_path / "model.onnx").write_bytes(bytes(1_000_001))
    with tarfile.open(tmp_path / "m.tar.gz", "w:gz") as packed:
        packed.add(tmp_path / "model.onnx", "model.onnx")
    with pytest.raises(ModelError, match=r"more than 1,000,000 bytes; unpack it yourself"):
        model_archive.find_model_folder(tmp_path / "m.tar.gz")
