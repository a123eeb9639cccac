"""Starts the component under its nucleus."""

import sys

from capture.component import build_capture_component
from capture.configuration import CaptureConfiguration
from sightline.kernel.runtime import run_component
from sightline.messaging.topics import CAPTURE

if __name__ == "__main__":
    sys.exit(run_component(CAPTURE, CaptureConfiguration, build_capture_component))
