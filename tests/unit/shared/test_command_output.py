"""A command whose reader has left ends without a word, and still does what has to be done at its end."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools.stage.stageable_components import ROOT

FLEET = ("tools.fleet", "plan", "recipes/deployments/jetson-orin.yaml", "--offline", "--requests")
PRINTS_MUCH = """
import sys
from pathlib import Path
from sightline.command_output import run_command

def main():
    try:
        for number in range(100_000):
            print("a line of text", number)
    finally:
        Path(sys.argv[1]).write_text("released")
    return 0

sys.exit(run_command(main))
"""


def run_until_first_line(command: list[str]) -> tuple[int, str, str]:
    """The exit code, the first line, and stderr of a command whose reader then leaves."""
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
        return process.wait(), first, said


def test_a_reader_that_leaves_ends_a_command_quietly_after_its_clean_up(tmp_path: Path) -> None:
    done = tmp_path / "done"
    code, first, said = run_until_first_line([sys.executable, "-c", PRINTS_MUCH, str(done)])
    assert (first, said) == ("a line of text 0\n", "")
    assert code == 141
    assert done.read_text() == "released"


@pytest.mark.parametrize("words", [FLEET, ("tools.fleet", "deploy", "--help")])
def test_a_tools_first_line_can_be_read_alone(words: tuple[str, ...]) -> None:
    _, first, said = run_until_first_line([sys.executable, "-m", *words])
    assert first
    assert "Traceback" not in said
    assert "BrokenPipe" not in said
