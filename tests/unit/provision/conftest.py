"""A machine to try the script on: another root, and programs that say they were called."""

import hashlib
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools.iam.__main__ import main as write_policies
from tools.recipes import ROOT

SCRIPT = ROOT / "tools" / "provision.sh"
REGION, ACCOUNT = "eu-central-1", "123456789012"
SYSTEM = "apt-get chown groupadd useradd usermod udevadm systemctl shred unzip java fleet-provisioning aws"
RECORD = '#!/bin/sh\necho "$(basename "$0") $*" >>"$CALLS"\n'
INSTALL = """#!/bin/sh
echo "install $*" >>"$CALLS"
for word in "$@"; do
    shift
    case "$word" in -o | -g) skip=yes ;; *) [ "${skip:-}" = yes ] || set -- "$@" "$word"; skip="" ;; esac
done
exec /usr/bin/install "$@"
"""


def named(thing: str) -> str:
    """A nucleus that was given its thing's name, as its log of changes has it."""
    line = f'{{"TS":1,"TP":["system","thingName"],"W":"changed","V":"{thing}"}}'
    folder = '"$GREENGRASS/config"'
    return f"mkdir -p {folder}\necho '{line}' >>{folder}/config.tlog\n"


AWS = """said() {
    echo "$1" >&2
    exit 254
}
case "$2" in
describe-endpoint) echo "endpoint of ${6#*:}" ;;
create-keys-and-certificate) echo arn:of:claim ;;
create-policy)
    [ ! -e "$CALLS.$6" ] || said ResourceAlreadyExistsException
    cp "${8#file://}" "$CALLS.$6"
    ;;
get-policy) cat "$CALLS.$6" ;;
list-policy-versions) [ "$6" != sightline-device ] || echo "2 1" ;;
create-policy-version) cp "${9#file://}" "$CALLS.$6" ;;
attach-policy) [ ! -e "$CALLS.refused" ] || said ServiceUnavailableException ;;
esac
for word; do
    case "$last" in *-outfile) echo pem >"$word" ;; esac
    last=$word
done
"""
WRITES_ITS_CERTIFICATE = 'echo certificate >"$GREENGRASS/thingCert.crt"\n'
ALSO_DOES = {
    "java": WRITES_ITS_CERTIFICATE + named("site-1-line-1"),
    "fleet-provisioning": (
        'mkdir -p "$GREENGRASS/credentials"\n'
        'echo certificate >"$GREENGRASS/credentials/certificate.pem"\n'
    ),
    "aws": AWS,
}
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@dataclass
class BlankMachine:
    """Where the script may change things, and what it called."""

    root: Path
    kit: Path
    policies: Path
    calls_file: Path

    @property
    def calls(self) -> list[str]:
        """Every call of a program, in order."""
        return self.calls_file.read_text().splitlines() if self.calls_file.exists() else []

    def greengrass(self, nucleus: str) -> Path:
        """The nucleus's folder."""
        return self.root / ("greengrass/v2" if nucleus == "classic" else "var/lib/greengrass")


@pytest.fixture
def machine(tmp_path: Path) -> BlankMachine:
    """A blank machine and a whole kit."""
    found = BlankMachine(
        tmp_path / "root", tmp_path / "kit", tmp_path / "policies", tmp_path / "calls"
    )
    found.root.mkdir()
    write_policies(["--fill", REGION, ACCOUNT, "--out", str(found.policies)])
    fill_kit(found.kit)
    return found


def fill_kit(kit: Path) -> None:
    """Every file that a kit holds, with its sums."""
    settings = ("region", "data_endpoint", "credential_endpoint", "role_alias", "template")
    contents = {
        "fleet.conf": "".join(f"{name}=the-{name}\n" for name in settings),
        **dict.fromkeys(("claim.pem.crt", "claim.private.pem.key", "AmazonRootCA1.pem"), "text\n"),
        **dict.fromkeys(("greengrass-nucleus.zip", "fleet-provisioning.jar"), "archive\n"),
        "aws-greengrass-lite.deb": "package\n",
    }
    kit.mkdir()
    for name, text in contents.items():
        (kit / name).write_text(text)
    sums = (
        f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n" for name, text in contents.items()
    )
    (kit / "SHA256SUMS").write_text("".join(sums))


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder of programs that only say they were called, and what comes of it."""
    found = tmp_path / "programs"
    found.mkdir()
    for name in SYSTEM.split():
        (found / name).write_text(RECORD + ALSO_DOES.get(name, ""))
    (found / "install").write_text(INSTALL)
    for path in found.iterdir():
        path.chmod(0o755)
    return found


@pytest.fixture
def run(machine: BlankMachine, programs: Path) -> Run:
    """Runs the script: `run("station", "--apply", nucleus="lite")`."""
    root, policies = str(machine.root), str(machine.policies)

    def script(
        command: str, *words: str, nucleus: str = "classic"
    ) -> "subprocess.CompletedProcess[str]":
        usual = {
            "station": ("--thing", "site-1-line-1", "--nucleus", nucleus, "--root", root),
            "account": ("--region", REGION, "--account", ACCOUNT, "--policies", policies),
            "claim": ("--region", REGION),
        }[command]
        environment = {
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "CALLS": str(machine.calls_file),
            "GREENGRASS": str(machine.greengrass(nucleus)),
        }
        both = ("--group", "jetson-orin", "--kit", str(machine.kit))
        whole = ["sh", str(SCRIPT), command, *usual, *both, *words]
        return subprocess.run(
            whole,
            env=environment,
            cwd=machine.kit.parent,
            capture_output=True,
            text=True,
            check=False,
        )

    return script
