"""Data sets: COCO JSON, Pascal VOC, class folders and Lookout for Vision manifests."""

from training.datasets.coco import COCO_FILE, read_coco
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
    "COCO_FILE",
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
    "read_coco",
    "read_dataset",
]
