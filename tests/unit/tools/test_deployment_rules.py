"""A deployment that asks for what a component would refuse is caught."""

from typing import Any

import pytest

from sightline.messaging.topics import CAPTURE
from tools.recipes import build_expected_configuration
from tools.suite_rules import (
    deployment_rules,
)


def capture_configuration() -> dict[str, Any]:
    from capture.configuration import CaptureConfiguration

    return build_expected_configuration(CAPTURE, CaptureConfiguration)


@pytest.mark.parametrize(
    ("component", "merge", "said"),
    [
        (CAPTURE, {"ringSlots": 4, "frame": {"width": 640}}, []),
        (CAPTURE, {"ringSlots": 0}, ["/ringSlots"]),
        (CAPTURE, {"ringSlot": 4}, ["ringSlot"]),
        ("com.sightline.Unknown", {}, ["no such recipe"]),
        (
            "com.sightline.model.New",
            {},
            ["not in git yet: git add recipes/com.sightline.model.New.yaml"],
        ),
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
    found = deployment_rules.find_refused_merges(
        "line.yaml", deployment, defaults, structs, {"com.sightline.model.New"}
    )
    assert len(found) == len(said)
    assert all(text in line for text, line in zip(said, found, strict=True))
