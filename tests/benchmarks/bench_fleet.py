"""1,000 stations in 20 sites against greengrassv2, iot and S3 on this machine: seconds and requests."""

import os
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tests.unit.fleet.conftest import FastClock, pack_settings
from tests.unit.fleet.fake_aws_endpoint import serving
from tests.unit.fleet.fake_greengrass import ACCOUNT, REGION
from tests.unit.fleet.large_fleet import count_requests, large_file, provisioned
from tools.fleet import settings_artifact
from tools.fleet.__main__ import main

ALLOWED_S = {"plan": 20.0, "deploy": 90.0, "status": 20.0}
CASES = {  # before: what was deployed until then
    "plan a new fleet": ("plan", False, 10.0),
    "deploy a new fleet": ("deploy", False, 10.0),
    "plan without a change": ("plan", True, 10.0),
    "plan a change of all": ("plan", True, 20.0),
    "deploy a change of all": ("deploy", True, 20.0),
    "status": ("status", True, 10.0),
}


@pytest.mark.parametrize("case", CASES)
def test_1000_stations(
    benchmark: BenchmarkFixture, case: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From the file's text to the end of the command; stations succeed at once."""
    command, before, interval_ms = CASES[case]
    monkeypatch.setitem(os.environ, "AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setitem(os.environ, "AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr(settings_artifact, "build_archive", pack_settings)
    greengrass, path = provisioned(large_file()), tmp_path / "line.yaml"

    def run(name: str, *words: str) -> int:
        place = ("--region", REGION, "--account", ACCOUNT, "--endpoint-url", address)
        return main([name, str(path), *words, *place], FastClock())

    with serving(greengrass.service, greengrass.iot, objects=greengrass.bucket) as address:
        if before:
            path.write_text(large_file())
            assert run("deploy", "--send") == 0
        path.write_text(large_file(interval_ms))
        count_requests(greengrass)
        words = ["--send"] if command == "deploy" else []
        assert benchmark.pedantic(run, args=(command, *words), rounds=1) == 0  # type: ignore[no-untyped-call]
    asked = count_requests(greengrass)
    benchmark.extra_info["requests"] = sum(asked.values())
    print(f"{case}: {sum(asked.values())} requests {dict(asked)}")
    assert benchmark.stats is not None
    assert benchmark.stats["max"] < ALLOWED_S[command]
