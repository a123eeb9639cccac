"""Pictures with labels from COCO JSON, Pascal VOC, class folders and Lookout for Vision manifests."""

from training.datasets.coco import COCO_FILE, read_coco
from training.datasets.dataset import (
    ANOMALY,
    NORMAL,
    UNKNOWN,
    DataSet,
    ImageLabel,
    Picture,
    Problem,
    Source,
    Split,
    TrueBox,
)
from training.datasets.inputs import Images, load_frame, load_input, load_inputs
from training.datasets.reading import FORMATS, read_dataset

__all__ = [
    "ANOMALY",
    "COCO_FILE",
    "FORMATS",
    "NORMAL",
    "UNKNOWN",
    "DataSet",
    "ImageLabel",
    "Images",
    "Picture",
    "Problem",
    "Source",
    "Split",
    "TrueBox",
    "load_frame",
    "load_input",
    "load_inputs",
    "read_coco",
    "read_dataset",
]
