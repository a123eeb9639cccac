"""Each rule of the suite catches what it is there for, and lets the good pass."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from sightline.errors import RecipeError
from sightline.topics import CAPTURE, COMPONENTS, PART_JUDGED, PUBLISHER
from tools.access_control import CLI, MQTTPROXY, PUBSUB, access_control_of
from tools.recipes import expected_configuration, filled, without_nulls
from tools.suite_rules import arrows, deployments, folders, lite, recipes, sizes, streams, texts
from tools.suite_rules.sources import Source, area_of, tracked_sources

ROOT = Path(__file__).resolve().parents[3]
RECIPE = """---
ComponentName: com.sightline.Capture  # kept
ComponentConfiguration:
  DefaultConfiguration:
    accessControl: {}
Manifests:
  - Platform:
      os: linux
      runtime: "*"
    Lifecycle:
      run:
        Script: exec sh launch.sh run capture
"""


def capture_configuration() -> dict[str, Any]:
    from capture.configuration import CaptureConfiguration

    return expected_configuration(CAPTURE, CaptureConfiguration)


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
            "from sightline.bus import Bus\nimport capture.deadline",
            False,
        ),
        ("shared/sightline/bus.py", "from capture import numbering", True),
        ("shared/sightline/bus.py", "from tools import recipes", True),
        ("cloud/ingest.py", "import hil", True),
        ("training/surface.py", "from inference.ssd import decode", False),
        ("training/surface.py", "def later() -> None:\n    from hil.plant import bottles", True),
        ("hil/run/station.py", "import capture", True),
        ("hil/run/station.py", "import cloud.app\nimport numpy", False),
        ("tests/pipeline/test_part.py", "import hil\nimport capture\nimport inference", False),
    ],
)
def test_an_import_against_the_arrows_is_caught(path: str, line: str, caught: bool) -> None:
    assert bool(arrows.broken_arrows(Source(path, line))) is caught


def test_a_file_belongs_to_its_component_or_top_folder() -> None:
    assert area_of("components/capture/sources/images.py") == "capture"
    assert area_of("shared/sightline/bus.py") == "sightline"
    assert area_of("hil/run/station.py") == "hil"
    assert area_of("README.md") == ""


@pytest.mark.parametrize(
    ("path", "code", "caught"),
    [
        ("components/capture/loop.py", "TOPIC = 'sightline/part/triggered'", True),
        ("components/capture/loop.py", "TOPIC = f'sightline/{thing}/health'", True),
        ("cloud/ingest.py", "client.subscribe('sightline/+/records')", True),
        ("cloud/ingest.py", "INSPECTION_RECORD.topic_of('+')", False),
        ("tools/stage.py", "copy('sightline/launch.sh')", False),
        ("shared/sightline/topics.py", "TOPIC = 'sightline/part/triggered'", False),
        ("tests/unit/nucleus/test_topics.py", "matches('sightline/part/triggered')", False),
    ],
)
def test_a_topic_outside_of_the_catalogue_is_caught(path: str, code: str, caught: bool) -> None:
    assert bool(streams.stray_topics(Source(path, code))) is caught


def test_a_stream_without_sender_or_reader_is_caught() -> None:
    silent = dataclasses.replace(PART_JUDGED, name="Silent", senders=())
    unheard = dataclasses.replace(PART_JUDGED, name="Unheard", readers=())
    assert streams.loose_streams([PART_JUDGED]) == []
    assert streams.loose_streams([silent, unheard]) == [
        "stream Silent: no sender",
        "stream Unheard: no reader",
    ]


def test_long_files_and_functions_are_caught_unless_named_with_a_reason() -> None:
    body = "".join(
        f"    step_{number} = {number}\n" for number in range(sizes.LONGEST_FUNCTION_LINES)
    )
    source = Source(
        "hil/long.py", f"def everything() -> None:\n{body}" + "\n" * sizes.LONGEST_FILE_LINES
    )
    assert len(sizes.too_long(source, {})) == 2
    reasons = {"hil/long.py": "one table", "hil/long.py:everything": "one table"}
    assert sizes.too_long(source, reasons) == []
    assert sizes.too_long(Source("hil/short.py", "def one() -> int:\n    return 1\n"), {}) == []


def test_a_reason_for_a_file_that_is_gone_is_caught() -> None:
    assert sizes.needless_reasons(frozenset({"a.py"}), {"a.py": "", "b.py:f": ""}) != []
    assert sizes.needless_reasons(frozenset({"a.py"}), {"a.py:f": ""}) == []


@pytest.mark.parametrize(
    ("text", "caught"),
    [
        ("FOLDER = '/root/models'", True),
        ("open('/tmp/x.json')", True),
        ("cp /home/anna/model.onnx .", True),
        ("pip install --index-url https://mirror.example/simple onnx", True),
        ("# TODO later", True),
        ("key = 'AKIAABCDEFGHIJKLMNOP'", True),
        ("-----BEGIN RSA PRIVATE KEY-----", True),
        ("/var/lib/sightline and https://example.com/work/list", False),
        ("{artifacts:decompressedPath}/work/launch.sh", False),
        ("tmp_path / 'work' / 'x'", False),
    ],
)
def test_forbidden_texts_are_caught(text: str, caught: bool) -> None:
    assert bool(texts.forbidden_texts(Source("docs/page.md", text))) is caught


def test_a_component_without_tests_is_caught() -> None:
    paths = ["tests/unit/capture/test_numbering.py", "tests/unit/gate/__init__.py"]
    assert folders.components_without_tests(paths, ["capture", "gate"]) == [
        "components/gate: no test in tests/unit/gate/"
    ]


def test_a_recipe_that_is_no_yaml_is_named() -> None:
    with pytest.raises(RecipeError, match=r"Capture\.yaml: no YAML"):
        recipes.parsed("Capture.yaml", "ComponentDescription: cameras: four")
    with pytest.raises(RecipeError, match="a mapping is expected"):
        recipes.parsed("Capture.yaml", "- a list")


def test_a_manifest_that_one_nucleus_passes_over_is_caught() -> None:
    recipe = recipes.parsed("Capture.yaml", RECIPE.replace('      runtime: "*"\n', ""))
    assert "/Manifests/0/Platform" in recipes.wrong_platform("Capture.yaml", recipe)[0]
    assert recipes.wrong_platform("Capture.yaml", {}) == ["Capture.yaml at /Manifests: none"]
    assert recipes.wrong_platform("Capture.yaml", recipes.parsed("Capture.yaml", RECIPE)) == []


def test_scripts_and_recipes_that_are_too_large_are_caught() -> None:
    large = RECIPE.replace("run capture", "run capture " + "x" * 10_240)
    assert recipes.long_scripts("Capture.yaml", recipes.parsed("Capture.yaml", large)) != []
    assert recipes.long_scripts("Capture.yaml", recipes.parsed("Capture.yaml", RECIPE)) == []
    recipe = recipes.parsed("Capture.yaml", RECIPE)
    said = list(lite.large_recipes("Capture.yaml", RECIPE + "# " + "x" * 8_000, recipe))
    assert "at most 8000 are allowed" in said[0]
    described = {**recipe, "ComponentDescription": "\n" * 4_500}  # two characters each as JSON
    assert list(lite.large_recipes("Capture.yaml", RECIPE, described)) != []
    assert list(lite.large_recipes("Capture.yaml", RECIPE, recipe)) == []


def test_permissions_and_defaults_that_differ_from_the_code_are_caught() -> None:
    expected = capture_configuration()
    empty = recipes.parsed("Capture.yaml", RECIPE)
    assert recipes.different_access_control("C", empty, expected["accessControl"]) != []
    assert any("/ringSlots:" in line for line in recipes.different_defaults("C", empty, expected))
    whole = recipes.parsed("C", filled(RECIPE, expected))
    assert recipes.different_access_control("C", whole, expected["accessControl"]) == []
    assert recipes.different_defaults("C", whole, expected) == []


@pytest.mark.parametrize(
    ("component", "merge", "said"),
    [
        (CAPTURE, {"ringSlots": 4, "frame": {"width": 640}}, []),
        (CAPTURE, {"ringSlots": 0}, ["/ringSlots"]),
        (CAPTURE, {"ringSlot": 4}, ["ringSlot"]),
        ("com.sightline.Unknown", {}, ["no such recipe"]),
        ("com.sightline.model.Cap", {"stationFolder": "x"}, []),
        ("com.sightline.model.Cap", {"folder": "x"}, ["the recipe knows no 'folder'"]),
    ],
)
def test_a_deployment_that_a_component_would_refuse_is_caught(
    component: str, merge: dict[str, Any], said: list[str]
) -> None:
    from capture.configuration import CaptureConfiguration

    defaults = {CAPTURE: capture_configuration(), "com.sightline.model.Cap": {"stationFolder": ""}}
    deployment = {"components": {component: {"configurationUpdate": {"merge": merge}}}}
    structs = {CAPTURE: CaptureConfiguration}
    found = deployments.refused_merges("line.yaml", deployment, defaults, structs)
    assert len(found) == len(said)
    assert all(text in line for text, line in zip(said, found, strict=True))


def test_filling_a_recipe_keeps_every_other_line_and_can_be_repeated() -> None:
    once = filled(RECIPE, capture_configuration())
    assert "ComponentName: com.sightline.Capture  # kept\n" in once
    assert once.endswith(RECIPE.split("accessControl: {}\n")[1])
    assert filled(once, capture_configuration()) == once
    assert yaml.safe_load(once)["ComponentConfiguration"]["DefaultConfiguration"]["ringSlots"] > 0


def test_filling_a_recipe_without_a_place_for_it_is_refused() -> None:
    with pytest.raises(RecipeError, match="ComponentConfiguration"):
        filled("ComponentName: x\n", {})


def test_defaults_that_are_none_are_left_to_the_struct() -> None:
    assert without_nulls({"a": None, "b": [{"c": None, "d": 0}]}) == {"b": [{"d": 0}]}


def test_a_component_may_do_what_the_catalogue_says_and_no_more() -> None:
    services = access_control_of(PUBLISHER)
    resources = {
        (operation, topic)
        for policies in services.values()
        for policy in policies.values()
        for operation in policy["operations"]
        for topic in policy["resources"]
    }
    assert ("aws.greengrass#SubscribeToTopic", "sightline/part/judged") in resources
    assert ("aws.greengrass#PublishToIoTCore", "sightline/+/records") in resources
    assert ("aws.greengrass#PublishToTopic", "sightline/part/judged") not in resources
    assert not any("*" in topic or "#" in topic for _, topic in resources)
    assert ("aws.greengrass#RestartComponent", CAPTURE) in resources
    assert set(services) == {PUBSUB, MQTTPROXY, CLI}
    assert CLI not in access_control_of(CAPTURE)
    assert next(iter(services[PUBSUB])) == "com.sightline.Publisher:pubsub:1"


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_service_of_a_recipe_stays_small_enough(component: str) -> None:
    for policies in access_control_of(component).values():
        assert len(yaml.safe_dump(policies)) <= recipes.GREATEST_SERVICE_BYTES


def test_the_sources_looked_at_are_what_git_tracks() -> None:
    paths = {source.path for source in tracked_sources(ROOT)}
    assert "shared/sightline/topics.py" in paths
    assert not any(path.startswith(".venv/") for path in paths)


@pytest.mark.parametrize(
    ("step", "body", "words"),
    [
        ("Run", {"Script": "x", "RequiresPrivilege": False}, "not known"),
        ("run", {"script": "x", "RequiresPrivilege": False}, "expected a Script"),
        ("run", {"Script": "x", "RequiresPrivilege": True}, "RequiresPrivilege: false"),
        ("run", {"Script": "x"}, "RequiresPrivilege: false"),
    ],
)
def test_a_step_that_nucleus_lite_would_not_find_or_that_wants_root_is_caught(
    step: str, body: dict[str, Any], words: str
) -> None:
    recipe = {"Manifests": [{"Lifecycle": {step: body}}]}
    assert words in recipes.strange_steps("recipe", recipe)[0]
    good = {"run": {"Script": "x", "RequiresPrivilege": False}, "errorResetTime": 3600}
    assert not recipes.strange_steps("recipe", {"Manifests": [{"Lifecycle": good}]})
