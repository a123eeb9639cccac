"""The report's tables: figures, labels and their confusion, baselines, near-duplicates. Pure."""

from collections.abc import Sequence
from html import escape
from typing import Any

from training.evaluation.card_figures import select_bounded_figures
from training.evaluation.label_styles import build_label_styles

PAGE_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;color:#1b1f24;margin:2rem auto;max-width:72rem;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.2rem}
table{border-collapse:collapse;margin:.6rem 0;display:block;overflow-x:auto}
th,td{padding:.25rem .8rem .25rem 0;text-align:left;
border-bottom:1px solid #dde1e6}td.n,th.n{text-align:right;white-space:nowrap;
font-variant-numeric:tabular-nums}
.facts td.n{text-align:left;white-space:normal}
.charts,.shown{display:flex;flex-wrap:wrap;gap:1rem}.charts svg{width:30rem;font-size:11px}
figure{margin:0;width:22rem;max-width:100%}figure img{width:100%;background:#eef0f2}
figcaption{font-size:.82rem;overflow-wrap:anywhere}
.label{white-space:nowrap;margin-right:1rem}.label span{display:inline-block;width:.8rem;height:.8rem;
margin-right:.3rem}.yes{color:#19692c}.no{color:#a31d1d;font-weight:600}.note{color:#57606a;max-width:48rem}
"""

PICTURE_FIGURES = ("accuracy", "f1", "group_balanced_accuracy")
_CELL_COLOURS = {True: "11,98,164", False: "192,57,43"}  # red, green, blue


def begin_page(title: str, facts: dict[str, Any]) -> list[str]:
    """Head of a page, its title, and what was evaluated."""
    return [
        "<!doctype html><html lang='en'><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width'>",
        f"<title>{escape(title)}</title><style>{PAGE_STYLE}</style>",
        f"<h1>{escape(title)}</h1>",
        f"<div class='facts'>{render_table(('', ''), [(n, str(v)) for n, v in facts.items()])}</div>",
    ]


def has_both_classes(by_picture: dict[str, Any]) -> bool:
    """Whether there are normal and anomalous pictures: else figures by picture mean nothing."""
    return bool(0 < by_picture["anomalies"] < by_picture["pictures"])


def render_figures(figures: dict[str, Any]) -> str:
    """The figures by box, if there are boxes, then those by picture, if both classes are there."""
    boxes = [
        (f"boxes: {name}", *_format_figure(f))
        for name, f in sorted(
            select_bounded_figures(figures.get("by_box", {})), key=lambda one: "union" in one[0]
        )  # those that know labels stand first
    ]
    counts = figures["by_picture"]
    groups = f"{counts['pictures']} pictures in {counts.get('groups', 0)} groups"
    bounds = "95 % bounds by bootstrap over whole groups."
    if not has_both_classes(counts):
        kind = "anomalies" if counts["anomalies"] else "normal"
        text = (
            f"{groups}. All are {kind}, so there are no figures by picture (F1, escapes, overkill): calling "
            f"every picture the same would be perfect here. {bounds}"
        )
        rows = boxes
    else:
        text = (
            f"{groups}, {counts['anomalies']} of them anomalies; anomaly from a score of "
            f"{counts['threshold']:.4g}: <b>{counts['escapes']} escapes, {counts['overkill']} overkill</b>. "
            f"{bounds}"
        )
        rows = boxes + [
            (f"pictures: {name}" if boxes else name, *_format_figure(figure))
            for name, figure in select_bounded_figures(counts)
        ]
    return f"<p>{text}</p>" + render_table(("", "value", "from", "to", "best"), rows)


def render_labels(figures: dict[str, Any]) -> str:
    """AP by label, and the confusion of labels; nothing without boxes."""
    by_box = figures.get("by_box", {})
    if "by_label" not in by_box:
        return ""
    rows = []
    for label, row in by_box["by_label"].items():
        ap50, ap = (_format_bounded(row[name]) for name in ("ap50", "ap"))
        counts = (str(row[name]) for name in ("true_boxes", "hits", "false_alarms", "misses"))
        rows.append((label, ap50, ap, *counts))
    head = ("label", "AP50", "AP", "true boxes", "hits", "false alarms", "misses")
    note = (
        f"AP with 95 % bounds. Hits, false alarms and misses: boxes from a score of "
        f"{by_box['threshold']:.4g} on, IoU at least 0.5."
    )
    return (
        f"<h2>By label</h2><p class='note'>{note}</p>{render_table(head, rows)}"
        f"{_render_confusion(by_box['confusion'])}"
    )


def _render_confusion(confusion: dict[str, Any]) -> str:
    labels, counts = confusion["labels"], confusion["counts"]
    most = max([1, *(count for row in counts for count in row)])
    cells = []
    for true, row in zip(labels, counts, strict=True):
        shown = "".join(
            f"<td class=n style='background:rgba({_CELL_COLOURS[true == found]},{0.55 * count / most:.2f})'>"
            f"{count}</td>"
            if (true, found) != (labels[-1], labels[-1])
            else "<td class=n>-</td>"
            for found, count in zip(labels, row, strict=True)
        )
        name = "background (no true box)" if true == labels[-1] else true
        cells.append(f"<tr><td>{escape(name)}</td>{shown}</tr>")
    heads = "".join(f"<th class=n>{escape(label)}</th>" for label in [*labels[:-1], "not found"])
    note = (
        "Rows: labels of true boxes. Columns: labels of the boxes found there, whatever their label, IoU at "
        f"least {confusion['iou']}. Blue is right, red is wrong."
    )
    return (
        f"<h3>Confusion of labels</h3><p class='note'>{note}</p>"
        f"<table><tr><th></th>{heads}</tr>{''.join(cells)}</table>"
    )


def render_label_colours(labels: Sequence[str]) -> str:
    """The colour of each label in the pictures."""
    styles = build_label_styles(labels)
    return " ".join(
        f"<span class='label'><span style='background:{style.colour}'></span>{escape(label)}</span>"
        for label, style in styles.items()
    )


def _format_bounded(figure: dict[str, Any] | None) -> str:
    if figure is None or figure["value"] is None:
        return "-"
    return f"{figure['value']:.3f} ({figure['low_95']:.3f} to {figure['high_95']:.3f})"


def _format_figure(figure: dict[str, Any]) -> tuple[str, str, str, str]:
    if figure["value"] is None:
        return "-", "", "", ""
    values = (figure["value"], figure["low_95"], figure["high_95"])
    shown = tuple(f"{value:.3f}" for value in values)
    best = f"{figure['best']:.3f}" if "best" in figure else ""
    return shown[0], shown[1], shown[2], best


def render_baselines(figures: dict[str, Any]) -> str:
    """The baselines' figures, and whether the model beats them all."""
    names = sorted({name for figure in figures["baselines"].values() for name in figure})
    if "union_f1" in names and not figures.get("has_both_classes", True):
        names = [name for name in names if name not in PICTURE_FIGURES]
    rows = [
        (
            kind.replace("_", " "),
            *("-" if figure.get(n) is None else f"{figure[n]:.3f}" for n in names),
        )
        for kind, figure in figures["baselines"].items()
    ]
    verdicts = " ".join(
        f"<span class='{'yes' if won else 'no'}'>{name.replace('_', ' ')}: "
        f"{'beats them all' if won else 'does NOT beat them all'}.</span>"
        for name, won in figures.get("beats_the_baselines", {}).items()
    )
    note = "Methods without training; <i>copy</i> copies the labels of the most similar training picture."
    head = ("", *(name.replace("_", " ") for name in names))
    return (
        f"<h2>Baselines</h2><p class='note'>{note}</p>{render_table(head, rows)}<p>{verdicts}</p>"
    )


def render_duplicates(found: dict[str, Any]) -> str:
    """How many pictures look like a training picture, with examples."""
    count, of = found["with_a_near_duplicate_in_training"], found["pictures"]
    rows = [(one["picture"], one["like"], str(one["bits"])) for one in found["examples"][:5]]
    table = render_table(("picture", "in training", "bits"), rows) if rows else ""
    return (
        f"<h2>Near-duplicates across the split</h2><p>{count} of {of} pictures look like a training "
        f"picture, turned and mirrored copies included (at most {found['greatest_difference_bits']} of "
        f"{found['of_bits']} bits of a perceptual hash differ).</p>{table}"
    )


def render_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; all columns but the first are of numbers."""

    def cells(tag: str, values: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{' class=n' if index else ''}>{escape(value)}</{tag}>"
            for index, value in enumerate(values)
        )

    top = f"<tr>{cells('th', head)}</tr>" if any(head) else ""
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table>{top}{body}</table>"
