"""Paths from a SageMaker job's environment, so that the same commands run there unchanged.

A training job sets its channels (`SM_CHANNEL_TRAIN=...`) and `SM_MODEL_DIR`. Files in /opt/ml/checkpoints
(or $SIGHTLINE_CHECKPOINTS) outlast an interrupted job. A processing job has `input/data`, `input/model`
and `output` below /opt/ml/processing (or $SIGHTLINE_PROCESSING). Command-line arguments take precedence.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

PROCESSING_VARIABLE = "SIGHTLINE_PROCESSING"
PROCESSING_FOLDER = "/opt/ml/processing"
CHECKPOINTS_VARIABLE = "SIGHTLINE_CHECKPOINTS"
CHECKPOINTS_FOLDER = "/opt/ml/checkpoints"
DATA_CHANNELS = ("DATA", "TRAINING", "TRAIN", "TEST", "EVALUATION")
SPLIT_CHANNELS = ("TRAIN", "TEST")


def find_job_data(environment: Mapping[str, str] = os.environ) -> str:
    """The job's data folder, or an empty text.

    Channels `train` and `test` in the same folder are one data set: that folder.
    """
    channels = {name: environment.get(f"SM_CHANNEL_{name}", "") for name in DATA_CHANNELS}
    parents = {Path(channels[name]).parent for name in SPLIT_CHANNELS if channels[name]}
    if all(channels[name] for name in SPLIT_CHANNELS) and len(parents) == 1:
        return str(parents.pop())
    found = next((folder for folder in channels.values() if folder), "")
    return found or _find_processing_folder("input/data", environment)


def find_job_model(environment: Mapping[str, str] = os.environ) -> str:
    """The job's model folder, or an empty text."""
    return environment.get("SM_CHANNEL_MODEL", "") or _find_processing_folder(
        "input/model", environment
    )


def find_job_output(environment: Mapping[str, str] = os.environ) -> str:
    """The folder for results: the model folder of a training job, or a processing job's output."""
    return find_job_export_folder(environment) or _find_processing_folder("output", environment)


def find_job_work_folder(environment: Mapping[str, str] = os.environ) -> str:
    """The folder for the checkpoint and the state to resume from: a training job's checkpoint folder.

    Not the model folder: everything in there goes into model.tar.gz.
    """
    if find_job_export_folder(environment):
        return environment.get(CHECKPOINTS_VARIABLE, CHECKPOINTS_FOLDER)
    return _find_processing_folder("output", environment)


def find_job_export_folder(environment: Mapping[str, str] = os.environ) -> str:
    """The folder for a training job's model, or an empty text."""
    return environment.get("SM_MODEL_DIR", "")


def create_job_scratch_folder(environment: Mapping[str, str] = os.environ) -> Path | None:
    """A temporary folder for a training job's cached inputs, which are not uploaded; None in other jobs."""
    if not find_job_export_folder(environment):
        return None
    folder = Path(tempfile.mkdtemp(prefix="sightline-inputs-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _find_processing_folder(below: str, environment: Mapping[str, str]) -> str:
    folder = Path(environment.get(PROCESSING_VARIABLE, PROCESSING_FOLDER)) / below
    return str(folder) if folder.is_dir() else ""
