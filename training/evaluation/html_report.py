"""The evaluation report: one HTML file with embedded pictures."""

import base64
from collections.abc import Sequence
from html import escape
from typing import Any

from training.evaluation.card_figures import select_bounded_figures
from training.evaluation.drawing import draw_prediction, encode_jpeg, load_picture
from training.evaluation.gallery import GalleryPicture, choose_gallery
from training.evaluation.picture_evaluation import PictureEvaluation
from training.evaluation.report_curves import (
    build_cost_line,
    build_precision_recall_lines,
    build_threshold_lines,
)
from training.evaluation.svg_charts import draw_chart
from training.evaluation.threshold_costs import thin_rows

MAX_PICTURE_PX = 420
MAX_GROUPS = 12
PAGE_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;color:#1b1f24;margin:2rem auto;max-width:72rem;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.2rem}
table{border-collapse:collapse;margin:.6rem 0}th,td{padding:.25rem .8rem .25rem 0;text-align:left;
border-bottom:1px solid #dde1e6}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.facts td.n{text-align:left}
.charts,.shown{display:flex;flex-wrap:wrap;gap:1rem}.charts svg{width:30rem;font-size:11px}
figure{margin:0;width:16rem}figure img{width:100%;background:#eef0f2}
figcaption{font-size:.82rem;overflow-wrap:anywhere}
.yes{color:#19692c}.no{color:#a31d1d;font-weight:600}.note{color:#57606a;max-width:48rem}
"""


def build_report_html(evaluation: PictureEvaluation, facts: dict[str, Any]) -> str:
    """The whole page; `facts` describe the evaluation: model, digest, data, splits."""
    figures = evaluation.figures
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width'>",
        f"<title>{escape(facts['model'])} on {escape(facts['data'])}</title><style>{PAGE_STYLE}</style>",
        f"<h1>{escape(facts['model'])} on {escape(facts['data'])}</h1>",
        f"<div class='facts'>{_render_table(('', ''), [(n, str(v)) for n, v in facts.items()])}</div>",
        "<h2>Figures</h2>",
        _render_figures(figures),
        _render_baselines(figures),
        _render_groups(figures["by_group"]),
        _render_duplicates(figures["near_duplicates"]),
        _render_curves(evaluation),
        _render_thresholds(evaluation),
        *_render_galleries(evaluation),
    ]
    return "\n".join(parts) + "\n"


def _render_figures(figures: dict[str, Any]) -> str:
    rows = [
        (name, *_format_figure(figure))
        for name, figure in select_bounded_figures(figures["by_picture"])
    ]
    rows += [
        (f"boxes: {name}", *_format_figure(f))
        for name, f in select_bounded_figures(figures.get("by_box", {}))
    ]
    counts = figures["by_picture"]
    text = (
        f"{counts['pictures']} pictures, {counts['anomalies']} of them anomalies, in "
        f"{counts.get('groups', 0)} groups; anomaly from a score of {counts['threshold']:.4g}: "
        f"<b>{counts['escapes']} escapes, {counts['overkill']} overkill</b>. "
        "95 % bounds by bootstrap over whole groups."
    )
    return f"<p>{text}</p>" + _render_table(("", "value", "from", "to", "best"), rows)


def _format_figure(figure: dict[str, Any]) -> tuple[str, str, str, str]:
    if figure["value"] is None:
        return "-", "", "", ""
    values = (figure["value"], figure["low_95"], figure["high_95"])
    shown = tuple(f"{value:.3f}" for value in values)
    best = f"{figure['best']:.3f}" if "best" in figure else ""
    return shown[0], shown[1], shown[2], best


def _render_baselines(figures: dict[str, Any]) -> str:
    names = sorted({name for figure in figures["baselines"].values() for name in figure})
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
        for name, won in figures["beats_the_baselines"].items()
    )
    note = "Methods without training; <i>copy</i> copies the labels of the most similar training picture."
    head = ("", *(name.replace("_", " ") for name in names))
    return (
        f"<h2>Baselines</h2><p class='note'>{note}</p>{_render_table(head, rows)}<p>{verdicts}</p>"
    )


def _render_groups(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return ""
    names = [name for name in rows[0] if name != "group"]
    shown = [(row["group"], *(str(row[name]) for name in names)) for row in rows[:MAX_GROUPS]]
    head = ("group", *(name.replace("_", " ") for name in names))
    return f"<h2>Worst of {len(rows)} groups</h2>{_render_table(head, shown)}"


def _render_duplicates(found: dict[str, Any]) -> str:
    count, of = found["with_a_near_duplicate_in_training"], found["pictures"]
    rows = [(one["picture"], one["like"], str(one["bits"])) for one in found["examples"][:5]]
    table = _render_table(("picture", "in training", "bits"), rows) if rows else ""
    return (
        f"<h2>Near-duplicates across the split</h2><p>{count} of {of} pictures look like a training "
        f"picture, turned and mirrored copies included (at most {found['greatest_difference_bits']} of "
        f"{found['of_bits']} bits of a perceptual hash differ).</p>{table}"
    )


def _render_curves(evaluation: PictureEvaluation) -> str:
    charts = []
    lines = build_precision_recall_lines(evaluation.data_set, evaluation.predictions)
    if lines:
        charts.append(
            draw_chart("Precision and recall", "recall", "precision", lines, axis_max=(1, 1))
        )
    rows = evaluation.threshold_rows
    if len(rows) > 1:
        charts.append(
            draw_chart("Escapes and overkill", "threshold", "pictures", build_threshold_lines(rows))
        )
        least = evaluation.figures["cheapest_here"]
        charts.append(
            draw_chart(
                "Cost",
                "threshold",
                "cost",
                [build_cost_line(rows)],
                (least["threshold"], least["cost"]),
            )
        )
    return f"<h2>Curves</h2><div class='charts'>{''.join(charts)}</div>"


def _render_thresholds(evaluation: PictureEvaluation) -> str:
    figures, least = evaluation.figures, evaluation.figures["cheapest_here"]
    prices = figures["prices"]
    rows = [
        (f"{row['threshold']:.4g}", str(row["escapes"]), str(row["overkill"]), f"{row['cost']:g}")
        for row in thin_rows(evaluation.threshold_rows, least)
    ]
    text = (
        f"An escape costs {prices['escape']:g}, a scrapped good part {prices['scrap']:g}. With the "
        f"model's own threshold: {figures['cost']:g}. Cheapest on these pictures: {least['cost']:g} from "
        f"{least['threshold']:.4g} on. Choose thresholds on validation pictures, never on these."
    )
    head = ("threshold", "escapes", "overkill", "cost")
    return f"<h2>Thresholds</h2><p class='note'>{text}</p>{_render_table(head, rows)}"


def _render_galleries(evaluation: PictureEvaluation) -> list[str]:
    box_threshold = evaluation.figures.get("by_box", {}).get("threshold", 0.0)
    image_threshold = evaluation.figures["by_picture"]["threshold"]
    kinds = choose_gallery(
        evaluation.data_set, evaluation.predictions, box_threshold, image_threshold
    )
    colours = "Green, dashed: labelled. Red: found. Red overlay: anomaly map. Grey: ignored."
    parts = ["<h2>Pictures</h2>", f"<p class='note'>{colours}</p>"]
    for title, shown in kinds.items():
        figures = "".join(_render_picture(one) for one in shown) or "<p>None.</p>"
        parts.append(f"<h3>{title}</h3><div class='shown'>{figures}</div>")
    return parts


def _render_picture(shown: GalleryPicture) -> str:
    image = draw_prediction(
        load_picture(shown.picture), shown.picture.boxes, shown.prediction, MAX_PICTURE_PX
    )
    encoded = base64.b64encode(encode_jpeg(image)).decode()
    text = f"{shown.picture.name}: {shown.text}"
    return (
        f"<figure><img src='data:image/jpeg;base64,{encoded}' alt='{escape(text, quote=True)}'>"
        f"<figcaption>{escape(text)}</figcaption></figure>"
    )


def _render_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def cells(tag: str, values: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{' class=n' if index else ''}>{escape(value)}</{tag}>"
            for index, value in enumerate(values)
        )

    top = f"<tr>{cells('th', head)}</tr>" if any(head) else ""
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table>{top}{body}</table>"
