"""Each rule of the suite catches what it is there for, and lets the good pass."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from sightline.errors import RecipeError
from sightline.messaging.topics import CAPTURE, COMPONENTS, PART_JUDGED, PUBLISHER
from tools.access_control import CLI, MQTTPROXY, PUBSUB, build_access_control
from tools.recipes import build_expected_configuration, drop_nulls, fill_recipe
from tools.suite_rules import (
    deployment_rules,
    forbidden_text,
    nucleus_lite_rules,
    recipe_rules,
    stream_rules,
    test_presence,
)
from tools.suite_rules.source_files import SourceFile, tracked_sources

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

    return build_expected_configuration(CAPTURE, CaptureConfiguration)


@pytest.mark.parametrize(
    ("path", "code", "caught"),
    [
        ("components/capture/loop.py", "TOPIC = 'sightline/part/triggered'", True),
        ("components/capture/loop.py", "TOPIC = f'sightline/{thing}/health'", True),
        ("cloud/wire/batches.py", "client.subscribe('sightline/+/records')", True),
        ("cloud/wire/batches.py", "INSPECTION_RECORD.topic_of('+')", False),
        ("tools/stage.py", "copy('sightline/launch.sh')", False),
        ("shared/sightline/messaging/topics.py", "TOPIC = 'sightline/part/triggered'", False),
        ("tests/unit/nucleus/test_topics.py", "matches('sightline/part/triggered')", False),
    ],
)
def test_a_topic_outside_of_the_catalogue_is_caught(path: str, code: str, caught: bool) -> None:
    assert bool(stream_rules.stray_topics(SourceFile(path, code))) is caught


def test_a_stream_without_sender_or_reader_is_caught() -> None:
    silent = dataclasses.replace(PART_JUDGED, name="Silent", senders=())
    unheard = dataclasses.replace(PART_JUDGED, name="Unheard", readers=())
    assert stream_rules.unconnected_streams([PART_JUDGED]) == []
    assert stream_rules.unconnected_streams([silent, unheard]) == [
        "stream Silent: no sender",
        "stream Unheard: no reader",
    ]


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
    assert bool(forbidden_text.forbidden_texts(SourceFile("docs/page.md", text))) is caught


def test_a_component_without_tests_is_caught() -> None:
    paths = ["tests/unit/capture/test_numbering.py", "tests/unit/gate/__init__.py"]
    assert test_presence.components_without_tests(paths, ["capture", "gate"]) == [
        "components/gate: no test in tests/unit/gate/"
    ]


def test_a_recipe_that_is_no_yaml_is_named() -> None:
    with pytest.raises(RecipeError, match=r"Capture\.yaml: no YAML"):
        recipe_rules.parse_recipe("Capture.yaml", "ComponentDescription: cameras: four")
    with pytest.raises(RecipeError, match="a mapping is expected"):
        recipe_rules.parse_recipe("Capture.yaml", "- a list")


def test_a_manifest_that_one_nucleus_passes_over_is_caught() -> None:
    recipe = recipe_rules.parse_recipe("Capture.yaml", RECIPE.replace('      runtime: "*"\n', ""))
    assert "/Manifests/0/Platform" in recipe_rules.wrong_platform("Capture.yaml", recipe)[0]
    assert recipe_rules.wrong_platform("Capture.yaml", {}) == ["Capture.yaml at /Manifests: none"]
    assert (
        recipe_rules.wrong_platform(
            "Capture.yaml", recipe_rules.parse_recipe("Capture.yaml", RECIPE)
        )
        == []
    )


def test_scripts_and_recipes_that_are_too_large_are_caught() -> None:
    large = RECIPE.replace("run capture", "run capture " + "x" * 10_240)
    assert (
        recipe_rules.long_scripts("Capture.yaml", recipe_rules.parse_recipe("Capture.yaml", large))
        != []
    )
    assert (
        recipe_rules.long_scripts("Capture.yaml", recipe_rules.parse_recipe("Capture.yaml", RECIPE))
        == []
    )
    recipe = recipe_rules.parse_recipe("Capture.yaml", RECIPE)
    said = list(
        nucleus_lite_rules.large_recipes("Capture.yaml", RECIPE + "# " + "x" * 8_000, recipe)
    )
    assert "at most 8000 are allowed" in said[0]
    described = {**recipe, "ComponentDescription": "\n" * 4_500}  # two characters each as JSON
    assert list(nucleus_lite_rules.large_recipes("Capture.yaml", RECIPE, described)) != []
    assert list(nucleus_lite_rules.large_recipes("Capture.yaml", RECIPE, recipe)) == []


def test_permissions_and_defaults_that_differ_from_the_code_are_caught() -> None:
    expected = capture_configuration()
    empty = recipe_rules.parse_recipe("Capture.yaml", RECIPE)
    assert recipe_rules.different_access_control("C", empty, expected["accessControl"]) != []
    assert any(
        "/ringSlots:" in line for line in recipe_rules.different_defaults("C", empty, expected)
    )
    whole = recipe_rules.parse_recipe("C", fill_recipe(RECIPE, expected))
    assert recipe_rules.different_access_control("C", whole, expected["accessControl"]) == []
    assert recipe_rules.different_defaults("C", whole, expected) == []


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
    found = deployment_rules.refused_merges("line.yaml", deployment, defaults, structs)
    assert len(found) == len(said)
    assert all(text in line for text, line in zip(said, found, strict=True))


def test_filling_a_recipe_keeps_every_other_line_and_can_be_repeated() -> None:
    once = fill_recipe(RECIPE, capture_configuration())
    assert "ComponentName: com.sightline.Capture  # kept\n" in once
    assert once.endswith(RECIPE.split("accessControl: {}\n")[1])
    assert fill_recipe(once, capture_configuration()) == once
    assert yaml.safe_load(once)["ComponentConfiguration"]["DefaultConfiguration"]["ringSlots"] > 0


def test_filling_a_recipe_without_a_place_for_it_is_refused() -> None:
    with pytest.raises(RecipeError, match="ComponentConfiguration"):
        fill_recipe("ComponentName: x\n", {})


def test_defaults_that_are_none_are_left_to_the_struct() -> None:
    assert drop_nulls({"a": None, "b": [{"c": None, "d": 0}]}) == {"b": [{"d": 0}]}


def test_a_component_may_do_what_the_catalogue_says_and_no_more() -> None:
    services = build_access_control(PUBLISHER)
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
    assert CLI not in build_access_control(CAPTURE)
    assert next(iter(services[PUBSUB])) == "com.sightline.Publisher:pubsub:1"


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_service_of_a_recipe_stays_small_enough(component: str) -> None:
    for policies in build_access_control(component).values():
        assert len(yaml.safe_dump(policies)) <= recipe_rules.MAX_SERVICE_BYTES


def test_the_sources_looked_at_are_what_git_tracks() -> None:
    paths = {source.path for source in tracked_sources(ROOT)}
    assert "shared/sightline/messaging/topics.py" in paths
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
    assert words in recipe_rules.unknown_steps("recipe", recipe)[0]
    good = {"run": {"Script": "x", "RequiresPrivilege": False}, "errorResetTime": 3600}
    assert not recipe_rules.unknown_steps("recipe", {"Manifests": [{"Lifecycle": good}]})
