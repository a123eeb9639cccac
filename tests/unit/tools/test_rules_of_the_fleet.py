"""Each rule about recipes, versions, packages and deployment files catches what it is there for."""

import dataclasses
import json
from typing import Any

import pytest

from sightline.messaging.topics import CATALOGUE, COMPONENTS, GATE_ACTED, INSPECTION_RECORD
from tools.fleet.station_checks import StationChecker
from tools.recipes import ROOT
from tools.stage.stageable_components import list_components
from tools.suite_rules import (
    coverage_map,
    fleet_rules,
    gdk_rules,
    nucleus_lite_rules,
    requirement_rules,
    version_rules,
)
from tools.suite_rules.source_files import SourceFile, tracked_sources

RECIPE = """---
ComponentName: com.sightline.Capture
ComponentVersion: "0.1.0"
ComponentDependencies:
  com.sightline.model.Cap:
    VersionRequirement: "0.1.0"
"""
PROJECT = '[project]\nversion = "0.1.0"\n'


def lifecycle(**steps: Any) -> dict[str, Any]:
    return {"Manifests": [{"Lifecycle": steps}]}


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (lifecycle(run={"Script": "x {artifacts:decompressedPath} {configuration:/a/b}"}), ""),
        (lifecycle(run={"Script": "x", "Skipif": "onpath java"}), "Lite does not skip"),
        (lifecycle(run={"Script": "x", "script": "y"}), "not known in this case"),
        (lifecycle(run={"Script": "{com.other:configuration:/a}"}), "no variable of both nuclei"),
        (lifecycle(run={"Script": "{artifacts:decompressedpath}"}), "no variable of both nuclei"),
        ({"ComponentType": "aws.greengrass.lambda"}, "Lite runs generic only"),
    ],
)
def test_what_nucleus_lite_does_not_have_is_caught(recipe: dict[str, Any], said: str) -> None:
    found = list(nucleus_lite_rules.missing_features("recipe", recipe))
    assert (said in found[0]) if said else found == []


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        ({"a": {"b": 2**53 - 1}}, ""),
        ({"a": {"b": 2**53}}, "/a/b: found 9007199254740992"),
        ({"a": [1, None]}, "/a/1: found null"),
        (json.loads('{"a":' * 13 + "1" + "}" * 13), "nested deeper than 12"),
    ],
)
def test_what_does_not_survive_a_nucleus_is_caught(
    configuration: dict[str, Any], said: str
) -> None:
    found = list(nucleus_lite_rules.numbers_and_depth("recipe", configuration))
    assert (said in found[0]) if said else found == []


def test_topics_that_lite_would_stumble_over_are_caught() -> None:
    long = dataclasses.replace(INSPECTION_RECORD, topic="sightline/{thing}/" + "x" * 120)
    wild = dataclasses.replace(INSPECTION_RECORD, topic="sightline/{thing}/+")
    assert list(nucleus_lite_rules.unfit_streams(CATALOGUE)) == []
    assert "Lite takes 256" in next(nucleus_lite_rules.unfit_streams([long]))
    assert "wildcard" in next(nucleus_lite_rules.unfit_streams([wild]))


def test_a_component_without_budget_or_bench_is_caught() -> None:
    budgets = "BUDGETS: dict[str, int] = {CAPTURE: 1, INFERENCE: 2}\n"
    found = coverage_map.components_without_budget(budgets)
    assert [line.rsplit(".", 1)[-1] for line in found] == ["Equipment", "Telemetry", "Publisher"]
    assert len(coverage_map.components_without_budget("")) == len(COMPONENTS)
    sources = {"tests/benchmarks/bench_x.py": "def test_x(benchmark: object) -> None: ...\n"}
    there, gone = "tests/benchmarks/bench_x.py:test_x", "tests/benchmarks/bench_x.py:test_y"
    assert coverage_map.components_without_benchmark(sources, ["a"], {"a": there}) == []
    assert (
        "is not there" in coverage_map.components_without_benchmark(sources, ["a"], {"a": gone})[0]
    )
    assert (
        "no bench entry for b" in coverage_map.components_without_benchmark(sources, ["b"], {})[0]
    )


def test_a_stream_whose_sender_or_reader_does_not_know_it_is_caught() -> None:
    sends = SourceFile("components/equipment/gate_verdicts.py", "bus.publish(GATE_ACTED, message)")
    reads = SourceFile("components/publisher/part_joiner.py", "isinstance(message, GateActed)")
    elsewhere = SourceFile("components/capture/loop.py", "GATE_ACTED, GateActed")
    catalogue = [GATE_ACTED]
    assert coverage_map.silent_streams([sends, reads], catalogue) == []
    assert coverage_map.silent_streams([sends, elsewhere], catalogue) == [
        "stream GateActed: com.sightline.Publisher reads it by the catalogue, "
        "but its code never names GateActed"
    ]
    assert "Equipment sends it" in coverage_map.silent_streams([reads, elsewhere], catalogue)[0]


def test_another_version_than_the_suites_is_caught_wherever_it_stands() -> None:
    good = {"pyproject.toml": PROJECT, "recipes/com.sightline.Capture.yaml": RECIPE}
    assert version_rules.different_versions(good) == []
    pinned = RECIPE.replace('Requirement: "0.1.0"', 'Requirement: "0.0.9"')
    said = version_rules.different_versions({**good, "recipe.yaml": pinned})
    assert said == [
        "recipe.yaml at /ComponentDependencies/com.sightline.model.Cap: "
        "found '0.0.9'; the suite is 0.1.0"
    ]
    newer = PROJECT.replace("0.1.0", "0.2.0")
    assert len(version_rules.different_versions({**good, "pyproject.toml": newer})) == 2
    assert "pyproject.toml" in version_rules.different_versions({})[0]
    function = {"createComponentVersion": {"lambdaFunction": {"componentVersion": "0.0.1"}}}
    files = {**good, "recipes/lambda/com.sightline.X.json": json.dumps(function)}
    assert "at componentVersion: found '0.0.1'" in version_rules.different_versions(files)[0]


def gdk_configuration(**changes: Any) -> dict[str, Any]:
    component = {
        "author": "Sightline",
        "version": "NEXT_PATCH",
        "build": {"build_system": "zip"},
        "publish": {"bucket": "components", "region": "eu-central-1"},
    }
    return {
        "component": {"com.sightline.Capture": {**component, **changes}},
        "gdk_version": "1.6.0",
    }


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        (gdk_configuration(), ""),
        (gdk_configuration(version="1.0"), "/version: found '1.0'"),
        (gdk_configuration(author=""), "/author"),
        (gdk_configuration(build={"build_system": "custom"}), "needs it"),
        (gdk_configuration(build={"build_system": "cmake"}), "found 'cmake'"),
        (gdk_configuration(publish={"bucket": "b", "region": "moon-1"}), "found 'moon-1'"),
        ({"component": {"a": {}, "b": {}}, "gdk_version": "1.6.0"}, "exactly one component"),
        ({**gdk_configuration(), "gdk_version": 1.6}, "/gdk_version"),
    ],
)
def test_a_configuration_that_gdk_would_refuse_is_caught(
    configuration: dict[str, Any], said: str
) -> None:
    found = gdk_rules.refused_configuration("gdk-config.json", configuration)
    assert (said in found[0]) if said else found == []


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
    assert requirement_rules.different_requirements(sources, {"capture": whole}, run) == []
    needs = {"capture": "msgspec\nnumpy\nboto3\n"}
    assert requirement_rules.different_requirements(sources, needs, run) == [
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
    assert requirement_rules.different_requirements(sources, needs, run) == [
        "requirements/components/model.in: msgspec is imported by what runs with it and not in it"
    ]
    assert requirement_rules.different_requirements(sources, {"model": "msgspec\n"}, run) == []
    files["requirements/components/model.in"] = "msgspec\n"
    assert requirement_rules.incomplete_locks(files) == [
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
    assert requirement_rules.different_locks(files) == []
    files["requirements/components/capture.txt"] = "numpy==2.3.0 \\\n"
    assert requirement_rules.different_locks(files) == [
        "requirements/components/capture.txt: numpy==2.3.0 is not the project's; run make lock"
    ]


def test_a_station_of_a_deployment_file_that_its_components_would_refuse_is_caught() -> None:
    checker = StationChecker.from_checkout()
    version = checker.known_version("com.sightline.Capture")
    text = (
        "thingGroup: line\n"
        "components: {aws.greengrass.Nucleus: {version: 2.15.0}, "
        "aws.greengrass.TokenExchangeService: {version: 2.0.3}, "
        f"com.sightline.Capture: {{version: {version!r}}}, "
        f"com.sightline.Publisher: {{version: {version!r}}}}}\n"
        "sites: {one: {stations: {station-1: {merge: {com.sightline.Capture: MERGE}}}}}\n"
    )
    good = text.replace("MERGE", "{ringSlots: 4}")
    assert fleet_rules.refused_stations("line.yaml", good, checker) == []
    bad = fleet_rules.refused_stations(
        "line.yaml", text.replace("MERGE", "{ringSlots: -1}"), checker
    )
    assert "CaptureConfiguration at /ringSlots" in bad[0]
    typo = fleet_rules.refused_stations("line.yaml", good.replace("stations:", "station:"), checker)
    assert "unknown field `station`" in typo[0]
    other = good.replace(f"Publisher: {{version: {version!r}", "Publisher: {version: '9.9.9'")
    assert "pinned to 9.9.9" in fleet_rules.refused_stations("line.yaml", other, checker)[0]
