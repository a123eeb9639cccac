"""Starts the component under its nucleus."""

import sys

from inference.configuration import InferenceConfiguration
from inference.inspector import build_inference
from sightline.runtime import run_component
from sightline.topics import INFERENCE

if __name__ == "__main__":
    sys.exit(run_component(INFERENCE, InferenceConfiguration, build_inference))
