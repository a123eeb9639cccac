"""What was read of a data set: pictures by split and label, what was left out or converted, and why."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from training.datasets.data_set import ANOMALY, NORMAL, DataSet, ReadingNote

MAX_EXAMPLES = 3
NO_SPLIT, UNKNOWN_LABEL = "no split", "unknown"


def summarize_reading(data_set: DataSet) -> dict[str, Any]:
    """The facts as JSON."""
    splits: dict[str, Counter[str]] = defaultdict(Counter)
    for picture in data_set.pictures:
        counts = splits[picture.split or NO_SPLIT]
        counts["pictures"] += 1
        counts[picture.label or UNKNOWN_LABEL] += 1
        counts["boxes"] += len(picture.boxes)

    boxes = Counter(box.label for picture in data_set.pictures for box in picture.boxes)
    return {
        "name": data_set.name,
        "format": data_set.format,
        "pictures": len(data_set.pictures),
        "splits": {name: dict(counts) for name, counts in splits.items()},
        "boxes": {label: boxes[label] for label in data_set.labels},
        "bad_labels": _count_and_show([str(problem) for problem in sorted(data_set.problems)]),
        "notes": summarize_notes(data_set.notes),
    }


def summarize_notes(notes: Iterable[ReadingNote]) -> dict[str, Any]:
    """How often each note was made, with the first examples."""
    examples: dict[str, list[str]] = defaultdict(list)
    for note in notes:
        examples[note.text].append(note.example)
    return {text: _count_and_show(found) for text, found in examples.items()}


def format_notes(summary: Mapping[str, Any]) -> str:
    """Notes as lines for people."""
    return "".join(f"    {text}: {_format_examples(found)}\n" for text, found in summary.items())


def format_reading(summary: Mapping[str, Any]) -> str:
    """The facts as lines for people."""
    lines = [
        f"  {summary['name']}: {summary['pictures']} pictures in the format {summary['format']}"
    ]
    for split, counts in summary["splits"].items():
        labels = [
            f"{counts[name]} {name}" for name in (NORMAL, ANOMALY, UNKNOWN_LABEL) if name in counts
        ]
        boxes = f", {counts['boxes']} boxes" if counts["boxes"] else ""
        lines.append(f"    {split}: {counts['pictures']} ({', '.join(labels)}{boxes})")
    if summary["boxes"]:
        shown = ", ".join(f"{label} {count}" for label, count in summary["boxes"].items())
        lines.append(f"    boxes: {shown}")
    if summary["bad_labels"]["count"]:
        lines.append(f"    bad labels dropped: {_format_examples(summary['bad_labels'])}")
    return "\n".join(lines) + "\n" + format_notes(summary["notes"])


def _count_and_show(texts: list[str]) -> dict[str, Any]:
    return {"count": len(texts), "first": texts[:MAX_EXAMPLES]}


def _format_examples(found: Mapping[str, Any]) -> str:
    more = ", ..." if found["count"] > len(found["first"]) else ""
    return f"{found['count']} ({', '.join(found['first'])}{more})"
