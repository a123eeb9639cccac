"""The launcher of every recipe starts a module with the right Python, or says why it cannot."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

LAUNCHER = Path(__file__).resolve().parents[3] / "shared" / "sightline" / "launch.sh"
TELLING = """
import json, os, sys
print(json.dumps({"arguments": sys.argv[1:], "folder": os.getcwd(), "python": sys.executable}))
sys.exit(3)
"""


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """An unpacked artifact: the launcher beside `sightline`, one module, no dependencies."""
    folder = tmp_path / "artifact of capture"
    (folder / "sightline").mkdir(parents=True)
    shutil.copy(LAUNCHER, folder / "sightline" / "launch.sh")
    (folder / "telling.py").write_text(TELLING)
    (folder / "requirements.txt").write_text("")
    return folder


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def launch(
    artifact: Path, work: Path, *arguments: str, python: str | None = sys.executable
) -> "subprocess.CompletedProcess[str]":
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in ("SIGHTLINE_PYTHON", "PYTHONPATH", "VIRTUAL_ENV")
    }
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    if python is not None:
        environment["SIGHTLINE_PYTHON"] = python
    return subprocess.run(
        ["sh", str(artifact / "sightline" / "launch.sh"), *arguments],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
    )


def put_wheel(artifact: Path) -> None:
    """A wheel of one module `dependency`, and requirements that pin it by its hash."""
    name = "dependency-1.0"
    wheel = artifact / "wheels" / f"{name}-py3-none-any.whl"
    wheel.parent.mkdir()
    files = {
        "dependency.py": "VALUE = 'from the wheel'\n",
        f"{name}.dist-info/METADATA": "Metadata-Version: 2.1\nName: dependency\nVersion: 1.0\n",
        f"{name}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        record = "".join(f"{path},{_record_hash(text)}\n" for path, text in files.items())
        archive.writestr(f"{name}.dist-info/RECORD", f"{record}{name}.dist-info/RECORD,,\n")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (artifact / "requirements.txt").write_text(f"dependency==1.0 --hash=sha256:{digest}\n")


def _record_hash(text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
    return f"sha256={digest},{len(text)}"


def test_the_launcher_is_plain_shell() -> None:
    subprocess.run(["sh", "-n", str(LAUNCHER)], check=True)


def test_a_module_of_the_artifact_runs_in_the_work_folder_with_its_arguments(
    artifact: Path, work: Path
) -> None:
    assert launch(artifact, work, "install").returncode == 0
    assert list(work.iterdir()) == []  # the interpreter that was named has all it needs
    ended = launch(artifact, work, "run", "telling", "two words", "--flag")
    assert ended.returncode == 3
    told = json.loads(ended.stdout)
    assert told["arguments"] == ["two words", "--flag"]
    assert Path(told["folder"]) == work
    assert told["python"] == sys.executable


def test_the_install_step_makes_an_environment_from_the_artifact_s_own_wheels(
    artifact: Path, work: Path
) -> None:
    put_wheel(artifact)
    (artifact / "telling.py").write_text("import dependency\nprint(dependency.VALUE)\n")
    installed = launch(artifact, work, "install", python=None)
    assert installed.returncode == 0, installed.stderr
    assert launch(artifact, work, "run", "telling", python=None).stdout == "from the wheel\n"
    settings = (work / "environment" / "pyvenv.cfg").read_text()
    assert "include-system-site-packages = true" in settings
    made = (work / "environment").stat().st_ino
    assert launch(artifact, work, "install", python=None).returncode == 0
    assert (work / "environment").stat().st_ino == made  # nothing changed: it is kept


def put_python(folder: Path, name: str, version: str) -> None:
    """A program by that name: an old interpreter refuses, a new one is this one."""
    folder.mkdir(exist_ok=True)
    lines = {
        "new": f'exec "{sys.executable}" "$@"',
        "old": '[ "$1" != --version ] || echo "Python 3.8.10"\nexit 1',
    }
    program = folder / name
    program.write_text(f"#!/bin/sh\n{lines[version]}\n")
    program.chmod(0o755)


def install_with_path(
    artifact: Path, work: Path, folder: Path
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["sh", str(artifact / "sightline" / "launch.sh"), "install"],
        cwd=work,
        env={"PATH": f"{folder}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )


def test_where_the_system_s_python_is_too_old_the_newer_one_beside_it_is_used(
    artifact: Path, work: Path, tmp_path: Path
) -> None:
    put_python(tmp_path / "local", "python3", "old")  # JetPack 5 has 3.8
    put_python(tmp_path / "local", "python3.10", "new")
    for name in ("python3.13", "python3.12", "python3.11"):  # this machine may have them
        put_python(tmp_path / "local", name, "old")
    put_wheel(artifact)
    installed = install_with_path(artifact, work, tmp_path / "local")
    assert installed.returncode == 0, installed.stderr
    assert (work / "environment" / "bin" / "python").exists()


def test_where_every_python_is_too_old_the_install_step_says_which_one_it_found(
    artifact: Path, work: Path, tmp_path: Path
) -> None:
    for name in ("python3", "python3.13", "python3.12", "python3.11", "python3.10"):
        put_python(tmp_path / "local", name, "old")
    put_wheel(artifact)
    refused = install_with_path(artifact, work, tmp_path / "local")
    assert refused.returncode == 1
    assert "Python 3.10 or later is needed; found Python 3.8.10" in refused.stderr
    assert str(tmp_path / "local") in refused.stderr
    assert not (work / "environment").exists()


USING_DRIVERS = """
import importlib, pathlib, sys, time
for attempt in range(3):
    try:
        print(importlib.import_module("dependency").VALUE, flush=True)
        break
    except ImportError:
        print("not yet", flush=True)
        sys.stdin.readline()
"""


def test_drivers_are_found_by_a_component_that_was_started_before_they_were_there(
    artifact: Path, work: Path, tmp_path: Path
) -> None:
    put_wheel(artifact)
    capture = tmp_path / "artifact of another"
    shutil.copytree(artifact / "sightline", capture / "sightline")
    (capture / "using.py").write_text(USING_DRIVERS)
    drivers = tmp_path / "station" / "drivers" / "cameras"
    command = [
        "sh",
        str(capture / "sightline" / "launch.sh"),
        "run",
        "--drivers",
        str(drivers),
        "using",
    ]
    environment = {**os.environ, "SIGHTLINE_PYTHON": sys.executable}
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stdout.readline() == "not yet\n"
        put = launch(artifact, work, "put-drivers", str(drivers), python=None)
        assert put.returncode == 0, put.stderr
        running.stdin.write("\n")
        running.stdin.flush()
        assert running.stdout.readline() == "from the wheel\n"


def test_drivers_that_are_there_are_kept_and_others_take_their_place_whole(
    artifact: Path, work: Path, tmp_path: Path
) -> None:
    put_wheel(artifact)
    drivers = tmp_path / "drivers" / "cameras"
    drivers.mkdir(parents=True)
    (drivers / "of_before.py").touch()
    assert launch(artifact, work, "put-drivers", str(drivers), python=None).returncode == 0
    assert not (drivers / "of_before.py").exists()
    made = drivers.stat().st_ino
    assert launch(artifact, work, "put-drivers", str(drivers), python=None).returncode == 0
    assert drivers.stat().st_ino == made
    assert list(drivers.parent.iterdir()) == [drivers]
    (artifact / "requirements.txt").write_text(f"dependency==1.0 --hash=sha256:{'0' * 64}\n")
    assert launch(artifact, work, "put-drivers", str(drivers), python=None).returncode != 0
    assert (drivers / "dependency.py").is_file()  # what was there goes on until others are whole


def test_no_folder_for_drivers_keeps_no_component_from_starting(
    artifact: Path, work: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    ended = launch(artifact, work, "run", "--drivers", str(tmp_path / "file" / "x"), "telling")
    assert ended.returncode == 3
    assert "a folder for their drivers" in ended.stderr


def test_a_wheel_that_is_not_the_pinned_one_is_not_installed(artifact: Path, work: Path) -> None:
    put_wheel(artifact)
    (artifact / "requirements.txt").write_text(f"dependency==1.0 --hash=sha256:{'0' * 64}\n")
    installed = launch(artifact, work, "install", python=None)
    assert installed.returncode != 0
    assert "HASHES" in installed.stderr.upper()


@pytest.mark.parametrize(
    ("arguments", "python", "said"),
    [
        (("install",), "/nowhere/python", "SIGHTLINE_PYTHON names no program: /nowhere/python"),
        (("run", "telling"), "/nowhere/python", "no interpreter at /nowhere/python"),
        (("run", "telling"), None, "no interpreter at"),
        (("run",), sys.executable, "run needs the name of a module"),
        (("run", "--drivers", "x"), sys.executable, "run --drivers needs a folder and the name"),
        (("put-drivers",), sys.executable, "put-drivers needs a folder"),
        ((), sys.executable, "usage: launch.sh install | run "),
        (("start",), sys.executable, "usage: launch.sh install | run "),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    artifact: Path, work: Path, arguments: tuple[str, ...], python: str | None, said: str
) -> None:
    ended = launch(artifact, work, *arguments, python=python)
    assert ended.returncode == 1
    assert ended.stderr.startswith("launch.sh: ")
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_an_artifact_without_requirements_is_said(artifact: Path, work: Path) -> None:
    (artifact / "requirements.txt").unlink()
    ended = launch(artifact, work, "install", python=None)
    assert ended.returncode == 1
    assert "the artifact has no requirements.txt" in ended.stderr


SETTLING = """
import pathlib, signal, sys, time
def settle(*_):
    time.sleep(0.3)
    pathlib.Path("settled").touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, settle)
pathlib.Path("up").touch()
time.sleep(60)
"""


def test_settle_waits_until_what_runs_has_settled(artifact: Path, work: Path) -> None:
    (artifact / "settling.py").write_text(SETTLING)
    command = ["sh", str(artifact / "sightline" / "launch.sh"), "run", "settling"]
    environment = {**os.environ, "SIGHTLINE_PYTHON": sys.executable}
    with subprocess.Popen(command, cwd=work, env=environment) as running:
        while not (work / "up").exists():
            assert running.poll() is None
        # reaped as soon as it ends, as a nucleus does
        threading.Thread(target=running.wait, daemon=True).start()
        settled = launch(artifact, work, "settle")
        assert settled.returncode == 0, settled.stderr
        assert (work / "settled").exists()
        assert running.wait(10) == 0


def test_settle_leaves_alone_who_has_the_number_of_a_process_that_ended(
    artifact: Path, work: Path
) -> None:
    (work / "running.pid").write_text(f"{os.getpid()}\n")
    assert launch(artifact, work, "settle").returncode == 0


def test_settle_has_nothing_to_do_where_nothing_ran(artifact: Path, work: Path) -> None:
    assert launch(artifact, work, "settle").returncode == 0
