"""The figures by picture on a model card. Pure."""

from typing import Any

CARD_KEY = "evaluation_by_picture"
ALL_PICTURES = "all"  # the split of pictures that have none
SEEN_FACT = "pictures that it was trained on"
CARD_FACTS = (
    "data",
    "data digest",
    "split",
    "fold",
    "left out",
    SEEN_FACT,
    "run time, s",
    "version",
)


def build_card_entry(result: dict[str, Any]) -> dict[str, Any]:
    """The entry of an evaluation for the card: data, figures, baselines."""
    return {
        "facts": {name: result[name] for name in CARD_FACTS},
        "by_picture": result["by_picture"],
        "by_box": result.get("by_box"),
        "baselines": result["baselines"],
        "beats_the_baselines": result["beats_the_baselines"],
        "near_duplicates": result["near_duplicates"]["with_a_near_duplicate_in_training"],
    }


def format_card_entry(entry: dict[str, Any]) -> list[str]:
    """The entry as Markdown."""
    facts, by_picture = entry["facts"], entry["by_picture"]
    copy = entry["baselines"].get("copy", {})
    part = "all of them" if facts["split"] == ALL_PICTURES else f"{facts['split']} part"
    lines = [
        "",
        f"## On the pictures `{facts['data']}`, {part} ({facts['fold']})",
        "",
        f"{by_picture['pictures']} pictures, {by_picture['anomalies']} of them anomalies; "
        f"left out: {facts['left out']}; {entry['near_duplicates']} look like a training picture. "
        f"{by_picture['escapes']} escapes, {by_picture['overkill']} overkill. In brackets: "
        f"95 % bounds.{format_seen_warning(facts.get(SEEN_FACT, 0))}",
        "",
        "| | value | copying |",
        "| --- | --- | --- |",
    ]
    for name, figure in select_bounded_figures({**by_picture, **(entry["by_box"] or {})}):
        if figure["value"] is not None:
            bounds = f"{figure['low_95']:.3f} to {figure['high_95']:.3f}"
            copied = copy.get(name.replace(" ", "_"))
            shown = "" if copied is None else f"{copied:.3f}"
            lines.append(f"| {name} | {figure['value']:.3f} ({bounds}) | {shown} |")
    verdicts = [
        f"{name.replace('_', ' ')} {'beats' if won else 'does not beat'} every baseline"
        for name, won in entry["beats_the_baselines"].items()
    ]
    return [*lines, "", "; ".join(verdicts).capitalize() + "."]


def format_seen_warning(seen: int) -> str:
    """A sentence that warns of `seen` training pictures among the evaluated ones; empty if none."""
    said = f" It was trained on {seen} of these pictures, so the figures do not hold for other pictures."
    return said if seen else ""


def select_bounded_figures(figures: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The figures that have a value and bounds, by their displayed name."""
    found = []
    for name, figure in figures.items():
        if isinstance(figure, dict) and "value" in figure:
            found.append((name.replace("_", " "), figure))
        elif name == "coco_ap":
            found += [(f"COCO {key.upper()}", one) for key, one in figure.items() if one]
    return found
