"""A claim can be exchanged and ended, and no claim gives a running station's name to somebody else."""

import json
import zipfile
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from tests.unit.provision.aws_models import check_by_models
from tests.unit.provision.conftest import REGION, BlankMachine, Run
from tools import provision_hook
from tools.recipes import ROOT

OLD = "arn:aws:iot:eu-central-1:123456789012:cert/0123abcd"
LISTED = {"line-1": {"kind": "line", "group": "line-canary"}}
ASKED = {"ThingName": "line-1", "ThingGroupName": "line"}


@pytest.fixture
def kit(machine: BlankMachine) -> Path:
    """A kit whose claim is OLD."""
    (machine.kit / "claim.arn").write_text(OLD + "\n")
    return machine.kit


def of_aws(machine: BlankMachine) -> list[list[str]]:
    return [call.split() for call in machine.calls if call.startswith("aws ")]


@pytest.mark.parametrize("way", ["--rotate", "--retire"])
def test_a_dry_run_of_a_claim_changes_nothing(
    way: str, kit: Path, run: Run, machine: BlankMachine
) -> None:
    before = {path.name: path.read_bytes() for path in kit.iterdir()}
    done = run("claim", way)
    assert done.returncode == 0, done.stderr
    assert "dry run" in done.stdout
    assert "+ aws iot" in done.stdout
    assert machine.calls == []
    assert {path.name: path.read_bytes() for path in kit.iterdir()} == before


def test_a_rotated_claim_is_new_and_the_old_one_goes_on_until_it_is_retired(
    kit: Path, run: Run, machine: BlankMachine
) -> None:
    assert run("claim", "--rotate", "--apply").returncode == 0
    assert (kit / "claim.arn").read_text() == "arn:of:claim\n"
    assert (kit / "claim.old.arn").read_text() == OLD + "\n"
    assert (kit / "claim.pem.crt").read_text() == "pem\n"
    assert (kit / "claim.private.pem.key").stat().st_mode & 0o777 == 0o600
    asked = [call[2] for call in of_aws(machine)]
    assert asked == ["create-keys-and-certificate", "attach-policy"]
    assert "claim --retire first" in run("claim", "--rotate", "--apply").stderr
    assert run("claim", "--retire", "--apply").returncode == 0
    ended = of_aws(machine)[2:]
    assert [call[2] for call in ended] == [
        "update-certificate",
        "detach-policy",
        "delete-certificate",
    ]
    assert "0123abcd" in ended[0]
    assert OLD in ended[1]
    assert not (kit / "claim.old.arn").exists()
    assert (kit / "claim.pem.crt").exists()
    check_by_models(of_aws(machine))


def test_a_retired_only_claim_leaves_the_kit(kit: Path, run: Run, machine: BlankMachine) -> None:
    assert run("claim", "--retire", "--apply").returncode == 0
    assert not (kit / "claim.arn").exists()
    assert not (kit / "claim.pem.crt").exists()
    assert [call for call in machine.calls if call.startswith("shred") and "claim" in call]


def test_a_claim_that_nothing_is_to_happen_to_is_refused(kit: Path, run: Run) -> None:
    assert "claim needs --rotate or --retire" in run("claim", "--apply").stderr
    (kit / "claim.arn").unlink()
    assert "has no claim.arn" in run("claim", "--retire", "--apply").stderr


@pytest.mark.parametrize(
    ("replace", "has_one", "allowed"),
    [(False, False, True), (False, True, False), (True, True, True)],
)
def test_a_station_with_a_certificate_gets_no_second_one_unless_told(
    replace: bool, has_one: bool, allowed: bool
) -> None:
    listed = {"line-1": {**LISTED["line-1"], "replace": replace}}
    answer = provision_hook.answer_hook(ASKED, listed, lambda thing: has_one)
    assert answer["allowProvisioning"] is allowed


def test_the_hook_asks_aws_for_the_things_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with mock_aws():
        iot = boto3.client("iot")
        assert not provision_hook.has_certificate("line-1")  # no such thing yet
        iot.create_thing(thingName="line-1")
        assert not provision_hook.has_certificate("line-1")
        arn = iot.create_keys_and_certificate(setAsActive=True)["certificateArn"]
        iot.attach_thing_principal(thingName="line-1", principal=arn)
        assert provision_hook.has_certificate("line-1")


def test_a_replaced_station_is_named_as_the_hook_is_packed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(ROOT / "recipes" / "deployments" / "jetson-orin.yaml")
    words = [file, "--zip", str(tmp_path / "hook.zip"), "--replace"]
    assert provision_hook.main([*words, "site-1-line-1"]) == 0
    with zipfile.ZipFile(tmp_path / "hook.zip") as packed:
        listed = json.loads(packed.read("stations.json"))
    assert [name for name, entry in listed.items() if entry.get("replace")] == ["site-1-line-1"]
    with pytest.raises(SystemExit):
        provision_hook.main([*words, "site-9-line-9"])
    assert "site-9-line-9, which no deployment file lists" in capsys.readouterr().err
