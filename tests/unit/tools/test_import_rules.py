"""Imports against the arrows are caught: between packages, between rooms, and in circles."""

from pathlib import Path

import pytest

from tools.suite_rules import import_rules
from tools.suite_rules.source_files import SourceFile, area_of, module_name, tracked_sources

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("path", "line", "caught"),
    [
        ("components/capture/loop.py", "import inference.detectors", True),
        ("components/capture/loop.py", "from equipment import gate", True),
        ("components/capture/loop.py", "from hil.plant import plc", True),
        (
            "components/capture/loop.py",
            "import importlib\nimportlib.import_module('hil.run')",
            True,
        ),
        (
            "components/capture/loop.py",
            "from sightline.messaging.bus import Bus\nimport capture.deadline",
            False,
        ),
        ("components/capture/sources/images.py", "from . import source", True),
        ("shared/sightline/messaging/bus.py", "from capture import numbering", True),
        ("shared/sightline/messaging/bus.py", "from tools import recipes", True),
        ("cloud/wire/batches.py", "import hil", True),
        ("tools/recipes.py", "import hil.plant", True),
        ("training/surface.py", "from sightline.vision.anchor_boxes import decode", False),
        ("training/surface.py", "from inference.configuration import InferenceConfiguration", True),
        ("training/surface.py", "def later() -> None:\n    from hil.plant import bottles", True),
        ("hil/run/local_station.py", "import capture", True),
        ("hil/run/local_station.py", "import cloud.app\nimport numpy", False),
        ("tests/pipeline/test_part.py", "import hil\nimport capture\nimport inference", False),
    ],
)
def test_an_import_against_the_arrows_is_caught(path: str, line: str, caught: bool) -> None:
    assert bool(import_rules.find_forbidden_imports(SourceFile(path, line))) is caught


def test_a_file_belongs_to_its_component_or_top_folder() -> None:
    assert area_of("components/capture/sources/images.py") == "capture"
    assert area_of("shared/sightline/messaging/bus.py") == "sightline"
    assert area_of("hil/run/local_station.py") == "hil"
    assert area_of("README.md") == ""


def test_a_module_has_the_name_by_which_it_is_imported() -> None:
    assert module_name("components/capture/sources/images.py") == "capture.sources.images"
    assert module_name("shared/sightline/__init__.py") == "sightline"
    assert module_name("hil/run/__init__.py") == "hil.run"


@pytest.mark.parametrize(
    ("path", "line", "said"),
    [
        (
            "shared/sightline/messaging/bus.py",
            "import os\nfrom sightline.kernel import runtime",
            ":2: sightline.messaging must not import sightline.kernel (it may import backoff, clock,",
        ),
        (
            "shared/sightline/storage/journal.py",
            "import sightline.imaging.pixels",
            "sightline.storage must not import sightline.imaging",
        ),
        (
            "shared/sightline/kernel/health.py",
            "from sightline import vision",
            "sightline.kernel must not import sightline.vision",
        ),
        (
            "shared/sightline/errors.py",
            "def late() -> None:\n    from sightline.messaging import codec",
            ":2: sightline.errors must not import sightline.messaging (it may import no other room)",
        ),
        (
            "components/inference/ledger/verdict_ledger.py",
            "from inference.verdicts.rule_book import RuleBook",
            "inference.ledger must not import inference.verdicts",
        ),
        (
            "cloud/store/record_store.py",
            "from cloud.live import percentiles",
            "cloud.store must not import cloud.live",
        ),
        (
            "training/datasets/coco.py",
            "from training.methods import registry",
            "training.datasets must not import training.methods",
        ),
        (
            "hil/nucleus/ipc/eventstream.py",
            "from hil.nucleus.nucleus import Nucleus",
            "hil.nucleus.ipc must not import hil.nucleus.nucleus",
        ),
        (
            "hil/nucleus/nucleus.py",
            "from hil.run import budgets",
            "hil.nucleus must not import hil.run",
        ),
        ("cloud/lake/days.py", "import os", "cloud.lake has no row in import_rules.ROOMS"),
    ],
)
def test_an_import_between_rooms_against_the_table_is_caught(
    path: str, line: str, said: str
) -> None:
    found = import_rules.find_forbidden_room_imports(SourceFile(path, line))
    assert len(found) == 1
    assert found[0].startswith(path)
    assert said in found[0]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("shared/sightline/vision/tolerances.py", "from sightline.storage import products"),
        ("shared/sightline/kernel/runtime.py", "from sightline import __version__"),
        ("components/inference/ledger/verdict_replay.py", "from inference.ledger import ledger"),
        ("cloud/__init__.py", "import os"),
        ("tests/unit/cloud/test_batches.py", "import cloud.web.app, cloud.store"),
    ],
)
def test_an_import_that_the_table_allows_passes(path: str, line: str) -> None:
    assert import_rules.find_forbidden_room_imports(SourceFile(path, line)) == []


def test_a_room_imports_only_rooms_above_it_in_the_table() -> None:
    assert import_rules.find_misplaced_rows() == []
    circle = {"cloud": {"store": "web", "web": "store"}}
    assert import_rules.find_misplaced_rows(circle) == [
        "import_rules.py: cloud.store allows web, which does not stand above it"
    ]


def test_every_package_of_the_table_is_there() -> None:
    modules = {module_name(source.path) for source in tracked_sources(ROOT) if source.is_python}
    rooms = [f"{package}.{room}" for package, table in import_rules.ROOMS.items() for room in table]
    assert [
        room
        for room in rooms
        if not any(module == room or module.startswith(f"{room}.") for module in modules)
    ] == []


def test_modules_that_import_one_another_are_caught() -> None:
    first = SourceFile("cloud/first.py", "from cloud import second")
    second = SourceFile("cloud/second.py", "def late() -> None:\n    import cloud.third")
    third = SourceFile("cloud/third.py", "from cloud.first import X")
    package = SourceFile("cloud/__init__.py", "from cloud import first, second")
    assert import_rules.find_import_circle([package, first, second]) == []
    (found,) = import_rules.find_import_circle([package, first, second, third])
    assert all(name in found for name in ("cloud.first", "cloud.second", "cloud.third"))
    inside = SourceFile("cloud/second.py", "from cloud import NAME")
    assert import_rules.find_import_circle([package, inside]) != []
