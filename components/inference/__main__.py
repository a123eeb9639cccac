"""Starts the component under its nucleus."""

import sys

from inference.component import build_inference_component
from inference.configuration import InferenceConfiguration
from sightline.kernel.runtime import run_component
from sightline.messaging.topics import INFERENCE

if __name__ == "__main__":
    sys.exit(run_component(INFERENCE, InferenceConfiguration, build_inference_component))
