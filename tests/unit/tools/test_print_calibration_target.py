"""The target that an engineer prints has the size that it says."""

import runpy
import sys
import warnings
from pathlib import Path

import pytest

from tools.print_calibration_target import main


def test_the_target_is_written_in_mm_with_a_ruler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "target.svg"
    monkeypatch.setattr(sys, "argv", ["target", str(file), "--square-mm", "12.5"])
    main()
    assert "125 x 87.5 mm" in capsys.readouterr().out
    drawing = file.read_text()
    assert 'width="150mm"' in drawing
    assert 'viewBox="0 0 150 126.5"' in drawing
    assert "h50" in drawing


def test_a_size_that_cannot_be_is_refused_with_what_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["target", str(tmp_path / "t.svg"), "--square-mm", "0.5"])
    with pytest.raises(SystemExit):
        main()
    assert "2 to 100 mm are allowed" in capsys.readouterr().err
    assert not (tmp_path / "t.svg").exists()


def test_the_former_name_of_the_tool_runs_it_without_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["target", str(tmp_path / "target.svg")])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runpy.run_module("tools.calibration_target", run_name="__main__")
    assert capsys.readouterr().err == ""
    assert (tmp_path / "target.svg").is_file()
