"""A commit's subject has at most 65 characters; the reason goes into the body.

Only commits after the one that brought this file are looked at, and only where the history is at hand: a
shallow clone and an export without history check nothing.
"""

import subprocess
from pathlib import Path

MAX_SUBJECT_CHARACTERS = 65
_THIS_FILE = "tools/suite_rules/commit_subjects.py"


def find_long_subjects(root: Path) -> list[str]:
    """One line for each commit in the history of HEAD whose subject is too long; merges are left out."""
    first = _find_first_commit(root)
    if not first:
        return []
    log = _run_git(
        root, "log", "--no-merges", "--ancestry-path", "--format=%h %s", f"{first}..HEAD"
    )
    commits = [line.split(" ", 1) for line in log.splitlines()]
    return [
        f"commit {name}: its subject has {len(subject)} characters, more than "
        f"{MAX_SUBJECT_CHARACTERS}; shorten it and put the reason into the body: {subject!r}"
        for name, subject in commits
        if len(subject) > MAX_SUBJECT_CHARACTERS
    ]


def _find_first_commit(root: Path) -> str:
    """The commit that brought this rule; empty where the history is not at hand or not whole."""
    if _run_git(root, "rev-parse", "--is-shallow-repository") != "false":
        return ""
    return _run_git(root, "log", "-1", "--diff-filter=A", "--format=%H", "HEAD", "--", _THIS_FILE)


def _run_git(root: Path, *arguments: str) -> str:
    """What git prints; empty where it fails or is not installed."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
