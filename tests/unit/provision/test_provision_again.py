"""What AWS did not take on is told, keeps its claim, and goes on when the command is given again."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.provision.conftest import (
    ALSO_DOES,
    RECORD,
    WRITES_ITS_CERTIFICATE,
    BlankMachine,
    Run,
    named,
)

REFUSED_BY_LITE = (
    'mkdir -p "$GREENGRASS/credentials"\n%s >"$GREENGRASS/credentials/certificate.pem"\nexit 1\n'
)


def let(programs: Path, name: str, do: str) -> None:
    """Another program under a name that the script calls."""
    (programs / name).write_text(RECORD + do)
    (programs / name).chmod(0o755)


def has_its_claim(machine: BlankMachine, nucleus: str) -> bool:
    """Whether a further attempt has what it needs."""
    kept = (machine.greengrass(nucleus) / "claim" / "claim.private.pem.key").is_file()
    return kept and not [call for call in machine.calls if call.startswith("shred")]


def test_a_certificate_that_aws_did_not_take_on_makes_no_station(
    run: Run, machine: BlankMachine, programs: Path
) -> None:
    let(programs, "java", WRITES_ITS_CERTIFICATE + named(""))
    let(programs, "sleep", "")
    done = run("station", "--apply")
    assert done.returncode == 1
    assert "AWS did not provision site-1-line-1" in done.stderr
    assert has_its_claim(machine, "classic")
    unit = machine.root / "etc" / "systemd" / "system" / "greengrass.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("of the first attempt")
    let(programs, "java", ALSO_DOES["java"])
    done = run("station", "--apply")
    assert done.returncode == 0, done.stderr
    assert "systemctl stop greengrass.service" in machine.calls
    assert not (machine.greengrass("classic") / "claim").exists()


@pytest.mark.parametrize("written", [":", "echo certificate"], ids=["empty", "not registered"])
def test_what_lite_was_refused_is_told_and_may_be_tried_again(
    written: str, run: Run, machine: BlankMachine, programs: Path
) -> None:
    let(programs, "fleet-provisioning", REFUSED_BY_LITE % written)
    done = run("station", "--apply", nucleus="lite")
    assert done.returncode == 1
    assert "AWS issued no certificate" in done.stderr
    assert "is provisioned in jetson-orin" not in done.stdout
    assert has_its_claim(machine, "lite")
    let(programs, "fleet-provisioning", ALSO_DOES["fleet-provisioning"])
    done = run("station", "--apply", nucleus="lite")
    assert done.returncode == 0, done.stderr
    assert not (machine.greengrass("lite") / "claim").exists()


def test_a_machine_that_bears_another_name_is_refused_though_a_claim_is_left(
    run: Run, machine: BlankMachine
) -> None:
    (machine.greengrass("classic") / "claim").mkdir(parents=True)
    environment = {**os.environ, "GREENGRASS": str(machine.greengrass("classic"))}
    subprocess.run(["sh", "-c", named("site-1-line-2")], env=environment, check=True)
    done = run("station", "--apply")
    assert done.returncode == 1
    assert "is already a station" in done.stderr
    assert machine.calls == []
