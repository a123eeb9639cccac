"""The rules look at the files that git tracks."""

from pathlib import Path

from tools.suite_rules.source_files import tracked_sources

ROOT = Path(__file__).resolve().parents[3]


def test_the_sources_looked_at_are_what_git_tracks() -> None:
    paths = {source.path for source in tracked_sources(ROOT)}
    assert "shared/sightline/messaging/topics.py" in paths
    assert not any(path.startswith(".venv/") for path in paths)
