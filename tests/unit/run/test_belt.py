"""Who asks for the belt is heard by the run, once, and not by the next one."""

from pathlib import Path

import pytest

from hil.run.belt import BeltRequests, main


def test_a_wish_is_taken_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plant.json").write_text("{}")
    wishes = BeltRequests(tmp_path)
    assert wishes.pop() is None
    assert main(["stop", "--folder", str(tmp_path)]) == 0
    assert "Belt stopped" in capsys.readouterr().out
    assert [wishes.pop(), wishes.pop()] == ["stop", None]


def test_a_wish_from_before_the_run_counts_for_nothing(tmp_path: Path) -> None:
    wishes = BeltRequests(tmp_path)
    wishes.write("stop")
    wishes.clear()
    assert wishes.pop() is None


def test_where_no_station_runs_it_is_said(tmp_path: Path) -> None:
    assert main(["start", "--folder", str(tmp_path)]) == 3
