"""Packages that an artifact lacks, or brings for nothing, are caught."""

from tools.recipes import ROOT
from tools.stage.stageable_components import list_components
from tools.suite_rules import (
    requirement_rules,
)
from tools.suite_rules.source_files import SourceFile, tracked_sources


def test_a_package_that_is_imported_and_not_brought_or_brought_and_not_imported_is_caught() -> None:
    sources = [
        SourceFile(
            "components/capture/loop.py",
            "import cv2\nfrom sightline.messaging.bus import Bus\nimport os",
        ),
        SourceFile(
            "shared/sightline/messaging/bus.py", "import msgspec\nfrom sightline import errors"
        ),
        SourceFile("shared/sightline/errors.py", "import numpy"),
        SourceFile(
            "shared/sightline/imaging/pixels.py", "import scipy"
        ),  # nothing of capture imports it
    ]
    whole = "msgspec\nnumpy\nopencv-python-headless\n"
    run = {"capture": ["capture"]}
    assert requirement_rules.find_different_requirements(sources, {"capture": whole}, run) == []
    needs = {"capture": "msgspec\nnumpy\nboto3\n"}
    assert requirement_rules.find_different_requirements(sources, needs, run) == [
        "requirements/components/capture.in: opencv-python-headless is imported by "
        "what runs with it and not in it",
        "requirements/components/capture.in: boto3 is imported by nothing that runs with it",
    ]


def test_what_the_install_step_of_a_model_imports_is_in_its_artifact() -> None:
    artifact = "s3://BUCKET_NAME/COMPONENT_NAME/COMPONENT_VERSION/cap_model.zip"
    files = {
        "recipes/com.sightline.model.Cap.yaml": (
            f"sh x/launch.sh install &&\n sh x/launch.sh run sightline.models\n put Uri: {artifact}\n"
        ),
        "requirements/components/model.in": "",
        "requirements/components/model.txt": "",
    }
    run = {"model": requirement_rules.find_entry_modules(files)["model"]}
    sources = [
        SourceFile("shared/sightline/models.py", "from sightline.storage.journal import sync"),
        SourceFile("shared/sightline/storage/journal.py", "import msgspec"),
    ]
    needs = requirement_rules.find_component_requirements(files)
    assert requirement_rules.find_different_requirements(sources, needs, run) == [
        "requirements/components/model.in: msgspec is imported by what runs with it and not in it"
    ]
    assert requirement_rules.find_different_requirements(sources, {"model": "msgspec\n"}, run) == []
    files["requirements/components/model.in"] = "msgspec\n"
    assert requirement_rules.find_incomplete_locks(files) == [
        "requirements/components/model.txt: msgspec of model.in is not in it; run make lock"
    ]


def test_every_recipe_has_a_lock_that_the_rule_looks_at() -> None:
    files = {s.path: s.text for s in tracked_sources(ROOT)}
    run = requirement_rules.find_entry_modules(files)
    assert {part.lock.stem for part in list_components()} <= set(run)
    assert run["model"] == {"sightline.storage.model_store"}
    assert run["capture"] == {"capture"}


def test_a_components_lock_that_is_not_the_projects_is_caught() -> None:
    files = {
        "requirements/python3.10.txt": "numpy==2.2.6 ; python_full_version < '3.11' \\\n",
        "requirements/components/capture.txt": "numpy==2.2.6 \\\n",
    }
    assert requirement_rules.find_different_locks(files) == []
    files["requirements/components/capture.txt"] = "numpy==2.3.0 \\\n"
    assert requirement_rules.find_different_locks(files) == [
        "requirements/components/capture.txt: numpy==2.3.0 is not the project's; run make lock"
    ]
