"""Starts the component under its nucleus."""

import sys

from publisher.component import build_publisher
from publisher.configuration import PublisherConfiguration
from sightline.kernel.runtime import run_component
from sightline.messaging.topics import PUBLISHER

if __name__ == "__main__":
    sys.exit(run_component(PUBLISHER, PublisherConfiguration, build_publisher))
