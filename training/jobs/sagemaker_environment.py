"""What a SageMaker job says by its environment, so that the same commands run there unchanged.

A training job names its channels (`SM_CHANNEL_TRAIN=...`) and `SM_MODEL_DIR`; what it keeps in
/opt/ml/checkpoints, or where SIGHTLINE_CHECKPOINTS says, outlasts it. A processing job has its inputs and
outputs under one folder, /opt/ml/processing unless SIGHTLINE_PROCESSING says otherwise: `input/data`,
`input/model`, `output`. Arguments on the command line come before all of these.
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
    """The pictures' folder that the job names, or nothing.

    Channels `train` and `test` that lie side by side are one data set: the folder that holds both.
    """
    channels = {name: environment.get(f"SM_CHANNEL_{name}", "") for name in DATA_CHANNELS}
    parents = {Path(channels[name]).parent for name in SPLIT_CHANNELS if channels[name]}
    if all(channels[name] for name in SPLIT_CHANNELS) and len(parents) == 1:
        return str(parents.pop())
    found = next((folder for folder in channels.values() if folder), "")
    return found or _find_processing_folder("input/data", environment)


def find_job_model(environment: Mapping[str, str] = os.environ) -> str:
    """The model's folder that the job names, or nothing."""
    return environment.get("SM_CHANNEL_MODEL", "") or _find_processing_folder(
        "input/model", environment
    )


def find_job_output(environment: Mapping[str, str] = os.environ) -> str:
    """Where the job wants its results: of a processing job, else the model folder of a training job."""
    return find_job_export_folder(environment) or _find_processing_folder("output", environment)


def find_job_work_folder(environment: Mapping[str, str] = os.environ) -> str:
    """Where a training keeps what it goes on from: of a training job the folder of its checkpoints.

    Not the model folder: all that lies there becomes model.tar.gz.
    """
    if find_job_export_folder(environment):
        return environment.get(CHECKPOINTS_VARIABLE, CHECKPOINTS_FOLDER)
    return _find_processing_folder("output", environment)


def find_job_export_folder(environment: Mapping[str, str] = os.environ) -> str:
    """Where a training job wants its model, or nothing."""
    return environment.get("SM_MODEL_DIR", "")


def create_job_scratch_folder(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Of a training job a folder for what no other run needs, and S3 does not; gone with the process."""
    if not find_job_export_folder(environment):
        return None
    folder = Path(tempfile.mkdtemp(prefix="sightline-inputs-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _find_processing_folder(below: str, environment: Mapping[str, str]) -> str:
    folder = Path(environment.get(PROCESSING_VARIABLE, PROCESSING_FOLDER)) / below
    return str(folder) if folder.is_dir() else ""
