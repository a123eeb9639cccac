"""A recipe that lacks what the code fills in, and the configuration that the code gives."""

from typing import Any

from sightline.messaging.topics import CAPTURE
from tools.recipes import build_expected_configuration

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
