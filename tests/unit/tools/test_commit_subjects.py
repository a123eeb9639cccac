"""Long commit subjects are caught from the commit on that brought the rule, where there is a history."""

import subprocess
from pathlib import Path

import pytest

from tools.suite_rules import commit_subjects

LONG = "Say in the subject of a commit everything that there is to say about it at all"
FITS = "x" * commit_subjects.MAX_SUBJECT_CHARACTERS
RULE = "tools/suite_rules/commit_subjects.py"


def run_git(folder: Path, *arguments: str) -> None:
    settings = ("user.name=a", "user.email=a@example.com", "commit.gpgsign=false")
    options = [word for setting in settings for word in ("-c", setting)]
    subprocess.run(["git", *options, *arguments], cwd=folder, check=True, capture_output=True)


def add_commit(folder: Path, subject: str, path: str = "file.txt") -> None:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(subject)
    run_git(folder, "add", path)
    run_git(folder, "commit", "-m", f"{subject}\n\n{LONG}")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A history with a long subject before the rule, and the rule."""
    folder = tmp_path / "repository"
    folder.mkdir()
    run_git(folder, "init", "-b", "main")
    add_commit(folder, LONG)
    add_commit(folder, "Add the rule", RULE)
    return folder


def test_a_long_subject_is_caught_after_the_rule_came_and_not_before(repository: Path) -> None:
    add_commit(repository, FITS)
    assert commit_subjects.find_long_subjects(repository) == []
    add_commit(repository, LONG)
    (found,) = commit_subjects.find_long_subjects(repository)
    assert "has 78 characters, more than 65" in found
    assert LONG in found


def test_a_branch_from_before_the_rule_is_left_alone(repository: Path) -> None:
    run_git(repository, "switch", "-c", "older", "HEAD~1")
    add_commit(repository, LONG, "other.txt")
    run_git(repository, "switch", "main")
    run_git(repository, "merge", "--no-ff", "-m", f"Merge: {LONG}", "older")
    assert commit_subjects.find_long_subjects(repository) == []


def test_a_shallow_clone_and_an_export_check_nothing(repository: Path, tmp_path: Path) -> None:
    add_commit(repository, "Change the rule", RULE)
    add_commit(repository, LONG, "other.txt")
    shallow = tmp_path / "shallow"
    run_git(tmp_path, "clone", "--depth", "2", f"file://{repository}", str(shallow))
    assert commit_subjects.find_long_subjects(shallow) == []
    export = tmp_path / "export"
    export.mkdir()
    assert commit_subjects.find_long_subjects(export) == []
