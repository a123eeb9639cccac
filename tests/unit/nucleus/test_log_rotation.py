"""The components' logs stay small, and what was said stands in the files in order."""

from pathlib import Path

from hil.nucleus.nucleus_files.log_rotation import MAX_ROTATED_FILES, LogRotation
from tests.unit.nucleus.running_nucleus import RecipeBuilder, nucleus, wait_until

NAME = "com.example.A"


def kept(folder: Path) -> list[Path]:
    """The files of the log, oldest first."""
    numbered = [folder / f"a.log.{number}" for number in range(MAX_ROTATED_FILES + 5, 0, -1)]
    return [path for path in (*numbered, folder / "a.log") if path.exists()]


def test_a_full_file_moves_on_and_its_writer_goes_on_in_an_empty_one(tmp_path: Path) -> None:
    rotation = LogRotation(tmp_path, limit_bytes=100)
    with (tmp_path / "a.log").open("ab", buffering=0) as writer:
        for number in range(25):
            writer.write(f"line {number:03}\n".encode())
            rotation.rotate()
    words = "".join(path.read_text() for path in kept(tmp_path))
    assert words == "".join(f"line {number:03}\n" for number in range(25))
    assert (tmp_path / "a.log").stat().st_size < 100


def test_only_a_few_files_are_kept(tmp_path: Path) -> None:
    rotation = LogRotation(tmp_path, limit_bytes=10)
    for number in range(20):
        with (tmp_path / "a.log").open("a") as writer:
            writer.write(f"this is line {number}\n")
        rotation.rotate()
    files = kept(tmp_path)
    assert len(files) == MAX_ROTATED_FILES + 1
    assert files[-2].read_text() == "this is line 19\n"


def test_a_file_that_is_not_full_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("short")
    LogRotation(tmp_path, limit_bytes=100).rotate()
    assert kept(tmp_path) == [tmp_path / "a.log"]


def test_a_component_that_talks_much_does_not_fill_the_disk(tmp_path: Path) -> None:
    component = RecipeBuilder(NAME, run="while :; do echo 0123456789012345678901234567890; done")
    with nucleus(tmp_path, [component], more=("--log-limit-kib", "16")) as running:
        oldest = running.root / "logs" / f"{NAME}.log.2"
        wait_until(oldest.exists)
        assert running.component(NAME)["restarts"] == 0
