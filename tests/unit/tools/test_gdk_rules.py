"""A gdk-config.json that the Greengrass Development Kit would refuse is caught."""

from typing import Any

import pytest

from tools.suite_rules import (
    gdk_rules,
)


def gdk_configuration(**changes: Any) -> dict[str, Any]:
    component = {
        "author": "Sightline",
        "version": "0.1.0",
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
        (gdk_configuration(version="NEXT_PATCH"), "gives each component another number"),
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
    found = gdk_rules.find_refused_gdk_settings("gdk-config.json", configuration)
    assert (said in found[0]) if said else found == []
