"""When the nucleus dies, each component leaves with 75 at once, in a sentence and without a traceback."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.unit.nucleus.ipc_kit import TOKEN
from tests.unit.nucleus.running_nucleus import REPOSITORY, TIMEOUT_S

EXIT_NUCLEUS_GONE = 75
COMPONENTS = ("Capture", "Inference", "Equipment", "Telemetry", "Publisher")
AT_START = [
    ("connect", 1, "before"),
    ("GetConfiguration", 1, "before"),
    ("GetConfiguration", 1, "after"),
    ("SubscribeToTopic", 1, "before"),
    ("SubscribeToTopic", 1, "after"),
    ("SubscribeToConfigurationUpdate", 1, "before"),
    ("SubscribeToConfigurationUpdate", 1, "after"),
    ("SubscribeToComponentUpdates", 1, "before"),
]
AT_WORK = [
    ("PublishToTopic", 1, "before"),
    ("PublishToTopic", 2, "after"),
    ("PublishToIoTCore", 1, "before"),
    ("PublishToIoTCore", 2, "before"),
]
MOMENTS = [
    *[("Telemetry", *moment) for moment in AT_START],
    *[(component, *moment) for component in COMPONENTS for moment in AT_WORK],
    *[(component, "SubscribeToTopic", 2, "before") for component in COMPONENTS],
    ("Publisher", "SubscribeToIoTCore", 1, "before"),
    ("Publisher", "SubscribeToIoTCore", 2, "after"),
]


@contextmanager
def dying_nucleus(
    folder: Path, component: str, dialect: str, operation: str, number: int, moment: str
) -> Iterator[str]:
    """The IPC's socket, of a nucleus that dies at that moment."""
    module = "tests.unit.nucleus.dying_nucleus"
    arguments = (str(folder), component, dialect, operation, str(number), moment)
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["socket"]
        finally:
            process.kill()


@pytest.mark.parametrize(("component", "operation", "number", "moment"), MOMENTS)
def test_a_component_leaves_with_75_and_without_traceback_when_the_nucleus_dies(
    tmp_path: Path, component: str, operation: str, number: int, moment: str
) -> None:
    asked_by_classic_only = operation == "SubscribeToComponentUpdates"
    on_lite = component in ("Telemetry", "Publisher") and not asked_by_classic_only
    dialect = "lite" if on_lite else "classic"
    work = tmp_path / "work"
    work.mkdir()
    name = f"com.sightline.{component}"
    with dying_nucleus(tmp_path, name, dialect, operation, number, moment) as socket:
        told = {
            "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT": socket,
            "SVCUID": TOKEN,
            "AWS_IOT_THING_NAME": f"test-{tmp_path.name}"[:60],
        }
        ended = subprocess.run(
            [sys.executable, "-m", component.lower()],
            cwd=work,
            env={**os.environ, **told},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=2 * TIMEOUT_S,
            check=False,
        )
    assert "Traceback" not in ended.stdout, ended.stdout
    assert "terminate called" not in ended.stdout, ended.stdout
    assert ended.returncode == EXIT_NUCLEUS_GONE, ended.stdout
    assert "leaving" in ended.stdout  # other threads may say something after it
