"""Starts the component under its nucleus."""

import sys

from capture.configuration import CaptureConfiguration
from capture.station import build_capture
from sightline.runtime import run_component
from sightline.topics import CAPTURE

if __name__ == "__main__":
    sys.exit(run_component(CAPTURE, CaptureConfiguration, build_capture))
