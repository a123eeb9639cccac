"""Starts the component under its nucleus."""

import sys

from sightline.kernel.runtime import run_component
from sightline.messaging.topics import TELEMETRY
from telemetry.component import TelemetryComponent
from telemetry.configuration import TelemetryConfiguration

if __name__ == "__main__":
    sys.exit(run_component(TELEMETRY, TelemetryConfiguration, TelemetryComponent))
