"""Model cards: card.md, written from the facts in card.json."""

import json
from pathlib import Path
from typing import Any

from sightline.errors import ModelError
from training.evaluation.card_figures import (
    CARD_KEY,
    SEEN_FACT,
    format_card_entry,
    format_seen_warning,
)


def write_card(folder: Path) -> None:
    """Write card.md beside card.json."""
    facts = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    (folder / "card.md").write_text(build_card_text(facts), encoding="utf-8")


def add_to_card(folder: Path, more: dict[str, Any]) -> None:
    """Add facts to card.json and write card.md again; ModelError if the card is missing or incomplete."""
    file = folder / "card.json"
    try:
        facts = json.loads(file.read_text(encoding="utf-8")) | more
        text = build_card_text(facts)
    except (OSError, ValueError, KeyError) as error:
        found = f"{type(error).__name__}: {error}"
        raise ModelError(f"{file}: {found}; export the model again with training.export") from error
    file.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    (folder / "card.md").write_text(text, encoding="utf-8")


def build_card_text(facts: dict[str, Any]) -> str:
    """The card as Markdown."""
    plan = facts["plan"]
    size = plan.get("anchors", plan)
    finds = ", ".join(plan.get("labels") or ["anomalies"])
    training = facts["training"]
    thresholds = ", ".join(
        f"{name} from {value:.3g}" for name, value in facts["thresholds"].items()
    )
    validation = ", ".join(f"{name} {value:.4g}" for name, value in facts["validation"].items())
    lines = [
        f"# Model card: {plan['name']}",
        "",
        f"Finds {finds}; method `{facts['method']}`. It is valid only for parts like those that it was "
        f"trained on: the pictures of `{facts['data']}`.",
        "",
        "| | |",
        "| --- | --- |",
        f"| Input | {size['width']} x {size['height']} RGB, preprocessing `{plan['preprocessing']}` |",
        f"| File | {facts['precision']}, {facts['bytes'] / 1e6:.2f} MB, "
        f"SHA-256 `{facts['digest'][:16]}...` |",
        f"| Trained on | {facts['pictures']} pictures (digest `{facts['data_digest'][:16]}...`), "
        f"best of {training['epochs']} epochs: {training['best_epoch']}, seed {facts['seed']} |",
        f"| Training | {training['seconds'] / 60:.1f} min on {facts['device']} |",
        f"| Thresholds, set on held-out training pictures | {thresholds} |",
        f"| Figures on those pictures | {validation} |",
        f"| Made with | Sightline {facts['sightline_version']}, PyTorch {facts['torch_version']}, "
        f"exported {facts['exported_utc']} |",
    ]
    if "evaluation" in facts:
        lines += _format_evaluation(facts)
    if CARD_KEY in facts:
        lines += format_card_entry(facts[CARD_KEY])
    return "\n".join(lines) + "\n"


def _format_evaluation(facts: dict[str, Any]) -> list[str]:
    found = facts["evaluation"]
    parts, seen = found["parts"], found.get(SEEN_FACT, 0)
    new = "" if seen else " never seen before"
    models = " and ".join(found.get("models", ["both demo models"]))
    judge = found.get("judged_by", "the default policy")
    lines = [
        "",
        f"## On {parts['good']} good and {parts['bad']} bad parts{new}",
        "",
        f"With {models}, by {judge}. In brackets: 95 % bounds.{format_seen_warning(seen)}",
        "",
        "| | share | of |",
        "| --- | --- | --- |",
    ]
    for name in ("escapes", "overkill", "review"):
        lines.append(f"| {name} | {_format_share(found[name])} | {found[name]['of']} parts |")
    lines += ["", "| recall by band | share | of |", "| --- | --- | --- |"]
    for band, figure in found["recall_by_band"].items():
        shown = band if figure["visible"] else f"{band} (not promised)"
        lines.append(f"| {shown} | {_format_share(figure)} | {figure['of']} parts |")
    tiers = ", ".join(
        f"{label}: reject from {t['reject']}, review from {t['review']}"
        for label, t in facts["recommended_tiers"].items()
    )
    return [*lines, "", f"Recommended tiers: {tiers}."]


def _format_share(figure: dict[str, Any]) -> str:
    if figure["share"] is None:
        return "-"
    return (
        f"{100 * figure['share']:.1f} % ({100 * figure['low_95']:.1f} to "
        f"{100 * figure['high_95']:.1f} %)"
    )
