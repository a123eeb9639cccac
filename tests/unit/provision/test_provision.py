"""From a blank machine to a station, shown before it is done; and the account's side of it."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.provision.aws_models import check_by_models
from tests.unit.provision.conftest import BlankMachine, Run
from tools import provision_hook
from tools.iam.iam_policies import build_provisioning_template
from tools.recipes import ROOT

BOTH = pytest.mark.parametrize("nucleus", ["classic", "lite"])


@BOTH
def test_a_dry_run_shows_every_step_and_changes_nothing(
    nucleus: str, run: Run, machine: BlankMachine
) -> None:
    done = run("station", nucleus=nucleus)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("# dry run")
    assert machine.calls == []
    assert list(machine.root.iterdir()) == []


@BOTH
def test_what_is_done_is_what_the_dry_run_showed(
    nucleus: str, run: Run, machine: BlankMachine
) -> None:
    shown = [
        line[2:] for line in run("station", nucleus=nucleus).stdout.splitlines() if line[:2] == "+ "
    ]
    done = run("station", "--apply", nucleus=nucleus)
    assert done.returncode == 0, done.stderr
    again = [line[2:] for line in done.stdout.splitlines() if line[:2] == "+ "]
    assert again == shown
    programs = [call.split(" ")[0] for call in machine.calls]
    names = [re.sub(r"^env \S+ ", "", line).split(" ")[0] for line in shown]
    assert programs == [name for name in names if name in {*programs, "install"}]


@BOTH
def test_the_station_asks_for_its_own_name_and_group_with_the_claim(
    nucleus: str, run: Run, machine: BlankMachine
) -> None:
    assert run("station", "--apply", nucleus=nucleus).returncode == 0
    greengrass = machine.greengrass(nucleus)
    place = (
        greengrass / "installer" if nucleus == "classic" else machine.root / "etc" / "greengrass"
    )
    services: Any = yaml.safe_load((place / "config.yaml").read_text())["services"]
    plugin = "FleetProvisioningByClaim" if nucleus == "classic" else "fleet_provisioning"
    claim = services[f"aws.greengrass.{plugin}"]["configuration"]
    assert claim["iotDataEndpoint"] == "the-data_endpoint"
    parameters = claim["templateParameters" if nucleus == "classic" else "templateParams"]
    assert parameters == {
        "ThingName": "site-1-line-1",
        "ThingGroupName": "jetson-orin",
        "RolloutGroupName": "jetson-orin-new",
    }
    asked = set(build_provisioning_template()["Parameters"]) - {"AWS::IoT::Certificate::Id"}
    assert set(parameters) == asked
    assert (machine.root / "var" / "lib" / "sightline").is_dir()
    assert (greengrass / "AmazonRootCA1.pem").is_file()


@BOTH
def test_the_claim_does_not_stay_on_the_station(
    nucleus: str, run: Run, machine: BlankMachine
) -> None:
    assert run("station", "--apply", nucleus=nucleus).returncode == 0
    claim = machine.greengrass(nucleus) / "claim"
    assert f"shred --remove {claim}/claim.private.pem.key" in machine.calls
    assert not claim.exists()


@BOTH
def test_a_station_is_not_provisioned_twice(nucleus: str, run: Run, machine: BlankMachine) -> None:
    assert run("station", "--apply", nucleus=nucleus).returncode == 0
    done = run("station", "--apply", nucleus=nucleus)
    assert done.returncode == 1
    assert "is already a station" in done.stderr


def test_a_kit_that_was_changed_or_is_not_whole_is_refused(run: Run, machine: BlankMachine) -> None:
    (machine.kit / "fleet-provisioning.jar").write_text("another")
    done = run("station", "--apply")
    assert done.returncode == 1
    assert "do not match SHA256SUMS" in done.stderr
    (machine.kit / "fleet-provisioning.jar").unlink()
    assert "has no fleet-provisioning.jar" in run("station", "--apply").stderr
    assert machine.calls == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--thing", "a b"), "found the name 'a b'"),
        (("--thing", "-rf"), "must not begin with '-'"),
        (("--thing", "1796054264"), "add a letter"),  # else it could write into another's epoch
        (("--nucleus", "java"), "--nucleus: found 'java'; allowed: classic, lite"),
        (("--thing", ""), "station needs --thing"),
        (("--nonsense",), "unknown option --nonsense"),
    ],
)
def test_wrong_words_are_named(words: tuple[str, ...], said: str, run: Run) -> None:
    done = run("station", *words)
    assert done.returncode == 1
    assert said in done.stderr


def test_the_accounts_side_asks_aws_for_what_its_own_models_know(
    run: Run, machine: BlankMachine
) -> None:
    shutil.rmtree(machine.kit)
    arn = "arn:aws:lambda:eu-central-1:123456789012:function:hook"
    done = run("account", "--hook", arn)
    assert done.returncode == 0, done.stderr
    commands = [shlex.split(line[2:]) for line in done.stdout.splitlines() if line[:6] == "+ aws "]
    assert len(commands) >= 10
    check_by_models(commands)
    files = re.findall(r"file://(\S+)", done.stdout)
    assert all(json.loads(Path(file).read_text()) for file in files)
    assert not machine.kit.exists()


def test_the_accounts_side_writes_what_a_station_needs_into_the_kit(
    run: Run, machine: BlankMachine
) -> None:
    shutil.rmtree(machine.kit)
    assert "without --hook" in run("account").stdout
    assert run("account", "--apply").returncode == 0
    assert (machine.kit / "claim.private.pem.key").stat().st_mode & 0o777 == 0o600
    assert [call for call in machine.calls if "attach-policy" in call and "arn:of:claim" in call]
    settings = dict(
        line.split("=", 1) for line in (machine.kit / "fleet.conf").read_text().splitlines()
    )
    assert settings["region"] == "eu-central-1"
    assert settings["data_endpoint"] == "endpoint of Data-ATS"
    assert settings["credential_endpoint"] == "endpoint of CredentialProvider"
    before = len(machine.calls)
    assert "the kit already has a claim certificate" in run("account", "--apply").stdout
    assert not [call for call in machine.calls[before:] if "create-keys" in call]


def test_only_listed_stations_are_provisioned_and_only_into_their_groups(tmp_path: Path) -> None:
    target = tmp_path / "hook.zip"
    file = ROOT / "recipes" / "deployments" / "jetson-orin.yaml"
    assert provision_hook.main([str(file), "--zip", str(target)]) == 0
    with zipfile.ZipFile(target) as archive:
        archive.extractall(tmp_path)
    code = (
        "import json, sys, provision_hook as h; h.has_certificate = lambda thing: False; "
        "print(json.dumps(h.lambda_handler(json.load(sys.stdin), None)))"
    )
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"
    answers = []
    for thing, group in (
        ("site-1-line-1", "jetson-orin"),
        ("site-2-line-1", "jetson-orin"),
        ("site-1-line-1", "other"),
        ("intruder", "jetson-orin"),
    ):
        parameters = {"ThingName": thing, "ThingGroupName": group, "RolloutGroupName": "any-other"}
        done = subprocess.run(
            [sys.executable, "-I", "-c", code],
            input=json.dumps({"parameters": parameters}),
            capture_output=True,
            text=True,
            check=True,
        )
        answers.append(json.loads(done.stdout))
    admitted = [
        {
            "allowProvisioning": True,
            "parameterOverrides": {"RolloutGroupName": f"jetson-orin-{name}"},
        }
        for name in ("canary", "site-2")
    ]
    assert answers == [*admitted, {"allowProvisioning": False}, {"allowProvisioning": False}]


def test_the_same_list_of_stations_gives_the_same_hook(tmp_path: Path) -> None:
    file = ROOT / "recipes" / "deployments" / "jetson-orin.yaml"
    one, other = tmp_path / "one.zip", tmp_path / "other.zip"
    for target in (one, other):
        assert provision_hook.main([str(file), "--zip", str(target)]) == 0
    assert one.read_bytes() == other.read_bytes()


def test_a_station_that_nobody_named_a_group_for_waits_in_one_that_the_fleet_tool_empties(
    run: Run, machine: BlankMachine
) -> None:
    said = run("account").stdout
    kind = "attributePayload={attributes={sightline-kind=jetson-orin}}"
    for name in ("jetson-orin", "jetson-orin-new"):
        assert f"--thing-group-name {name} --thing-group-properties {kind}" in said
