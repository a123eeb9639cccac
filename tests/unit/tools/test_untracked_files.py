"""What git does not have yet is told as that, and not as something that is not there."""

from pathlib import Path

import pytest

from tools.suite_rules import untracked_files

STEEL = "com.sightline.model.Steel"
RECIPE = f"recipes/{STEEL}.yaml"
TEXT = "Uri: s3://BUCKET_NAME/COMPONENT_NAME/COMPONENT_VERSION/steel_model.zip"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with a model's recipe and files on disk."""
    (tmp_path / "recipes").mkdir()
    (tmp_path / RECIPE).write_text(TEXT)
    (tmp_path / "components" / "models" / "steel").mkdir(parents=True)
    return tmp_path


def test_a_recipe_on_disk_only_is_not_in_git_yet(root: Path) -> None:
    assert untracked_files.find_untracked_components({}, root) == {STEEL}
    assert untracked_files.find_unchecked_recipes({}, root) == [
        f"{RECIPE} is not in git yet, so it was not checked: git add {RECIPE}"
    ]
    assert untracked_files.find_untracked_components({RECIPE: TEXT}, root) == frozenset()
    assert untracked_files.find_unchecked_recipes({RECIPE: TEXT}, root) == []


def test_a_recipe_whose_model_is_on_disk_only_says_which_folder_to_add(root: Path) -> None:
    assert untracked_files.find_untracked_sources({RECIPE: TEXT}, root) == [
        f"{RECIPE}: its files are not in git yet: git add components/models/steel"
    ]
    files = {RECIPE: TEXT, "components/models/steel/card.json": "{}"}
    assert untracked_files.find_untracked_sources(files, root) == []
