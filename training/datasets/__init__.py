"""Data sets of the usual labelling tools and exporters, as formats.py lists them."""

from training.datasets.data_set import (
    ANOMALY,
    NORMAL,
    UNKNOWN,
    DataSet,
    ImageLabel,
    LabelledPicture,
    LabelLocation,
    LabelProblem,
    SplitName,
    TrueBox,
)
from training.datasets.formats import DATA_SET_FORMATS, read_dataset
from training.datasets.model_inputs import Images, load_frame, load_input, load_inputs

__all__ = [
    "ANOMALY",
    "DATA_SET_FORMATS",
    "NORMAL",
    "UNKNOWN",
    "DataSet",
    "ImageLabel",
    "Images",
    "LabelLocation",
    "LabelProblem",
    "LabelledPicture",
    "SplitName",
    "TrueBox",
    "load_frame",
    "load_input",
    "load_inputs",
    "read_dataset",
]
