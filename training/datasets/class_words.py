"""The words that people use for good and bad parts in folder and class names. Pure."""

import re

from training.datasets.data_set import ANOMALY, NORMAL, ImageLabel

NORMAL_WORDS = frozenset({"normal", "good", "ok", "pass", "passed"})
ANOMALY_WORDS = frozenset(
    [
        "anomaly",
        "anomalies",
        "anomalous",
        "abnormal",
        "bad",
        "defect",
        "defects",
        "defective",
        "def",
        "ng",
        "nok",
        "fail",
        "failed",
        "faulty",
        "reject",
        "rejected",
    ]
)
NEGATIONS = frozenset({"no", "non", "not", "un", "without", "free"})
NAME_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


def find_class_of(name: str) -> ImageLabel | None:
    """Normal or anomaly by the words of a name (`ok_front`, `Normal`); None if it has none, or both."""
    words = {word.lower() for word in NAME_WORD.findall(name)}
    is_normal, is_anomaly = bool(words & NORMAL_WORDS), bool(words & ANOMALY_WORDS)
    if is_normal == is_anomaly or words & NEGATIONS:
        return None
    return NORMAL if is_normal else ANOMALY


def describe_class_words() -> str:
    """What is allowed, for errors."""
    return "known are normal, anomaly (or good, ok, pass; bad, defect, ng, nok, fail, reject)"
