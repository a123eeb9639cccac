"""Starts the component under its nucleus."""

import sys

from sightline.runtime import run_component
from sightline.topics import TELEMETRY
from telemetry.configuration import TelemetryConfiguration
from telemetry.host import TelemetryHost

if __name__ == "__main__":
    sys.exit(run_component(TELEMETRY, TelemetryConfiguration, TelemetryHost))
