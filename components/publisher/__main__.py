"""Starts the component under its nucleus."""

import sys

from publisher.configuration import PublisherConfiguration
from publisher.recorder import build_recorder
from sightline.runtime import run_component
from sightline.topics import PUBLISHER

if __name__ == "__main__":
    sys.exit(run_component(PUBLISHER, PublisherConfiguration, build_recorder))
