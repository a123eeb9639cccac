"""The evaluation report: one HTML file with embedded pictures."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from training.evaluation.drawing import draw_prediction, encode_jpeg, load_picture
from training.evaluation.gallery import GalleryPicture, choose_gallery
from training.evaluation.label_styles import LabelStyle, build_label_styles
from training.evaluation.picture_evaluation import PictureEvaluation
from training.evaluation.report_curves import (
    build_cost_line,
    build_precision_recall_lines,
    build_threshold_lines,
)
from training.evaluation.report_tables import (
    begin_page,
    has_both_classes,
    render_baselines,
    render_duplicates,
    render_figures,
    render_label_colours,
    render_labels,
    render_table,
)
from training.evaluation.svg_charts import draw_chart
from training.evaluation.threshold_costs import thin_rows

PICTURE_SIDE_PX = 400
MAX_GROUPS = 12


def build_report_html(evaluation: PictureEvaluation, facts: dict[str, Any]) -> str:
    """The whole page; `facts` describe the evaluation: model, digest, data, splits."""
    figures = evaluation.figures
    title = f"{facts['model']} on {facts['data']}"
    parts = [
        *begin_page(title, facts),
        "<h2>Figures</h2>",
        render_figures(figures),
        render_labels(figures),
        render_baselines(figures | {"has_both_classes": has_both_classes(figures["by_picture"])}),
        _render_groups(figures["by_group"]),
        render_duplicates(figures["near_duplicates"]),
        _render_curves(evaluation),
        _render_thresholds(evaluation),
        *_render_galleries(evaluation),
    ]
    return "\n".join(parts) + "\n"


def _render_groups(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return ""
    names = [name for name in rows[0] if name != "group"]
    shown = [(row["group"], *(str(row[name]) for name in names)) for row in rows[:MAX_GROUPS]]
    head = ("group", *(name.replace("_", " ") for name in names))
    return f"<h2>Worst of {len(rows)} groups</h2>{render_table(head, shown)}"


def _render_curves(evaluation: PictureEvaluation) -> str:
    charts = []
    lines = build_precision_recall_lines(evaluation.data_set, evaluation.predictions)
    if lines:
        charts.append(
            draw_chart("Precision and recall", "recall", "precision", lines, axis_max=(1, 1))
        )
    rows = evaluation.threshold_rows
    if len(rows) > 1 and has_both_classes(evaluation.figures["by_picture"]):
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
    if not has_both_classes(figures["by_picture"]):
        note = "No thresholds by picture: that takes normal and anomalous pictures."
        return f"<h2>Thresholds</h2><p class='note'>{note}</p>"
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
    return f"<h2>Thresholds</h2><p class='note'>{text}</p>{render_table(head, rows)}"


def _render_galleries(evaluation: PictureEvaluation) -> list[str]:
    box_threshold = evaluation.figures.get("by_box", {}).get("threshold", 0.0)
    image_threshold = evaluation.figures["by_picture"]["threshold"]
    kinds = choose_gallery(
        evaluation.data_set, evaluation.predictions, box_threshold, image_threshold
    )
    labels = evaluation.figures.get("by_box", {}).get("labels", [])
    lines = "Dashed: labelled. Solid, with score: found. Grey: ignored. Red overlay: anomaly map."
    colours = render_label_colours(evaluation.data_set.labels)
    styles = build_label_styles(evaluation.data_set.labels)
    if list(labels) != list(evaluation.data_set.labels):  # the model has labels of its own
        colours, styles = "Green: labelled. Red: found.", {}
    parts = ["<h2>Pictures</h2>", f"<p class='note'>{lines} {colours}</p>"]
    for title, shown in kinds.items():
        figures = "".join(_render_picture(one, styles) for one in shown) or "<p>None.</p>"
        parts.append(f"<h3>{title}</h3><div class='shown'>{figures}</div>")
    return parts


def _render_picture(shown: GalleryPicture, styles: Mapping[str, LabelStyle]) -> str:
    picture = shown.picture
    image = draw_prediction(
        load_picture(picture), picture.boxes, shown.prediction, PICTURE_SIDE_PX, styles
    )
    encoded = base64.b64encode(encode_jpeg(image)).decode()
    text = f"{shown.picture.name}: {shown.text}"
    return (
        f"<figure><img src='data:image/jpeg;base64,{encoded}' alt='{escape(text, quote=True)}'>"
        f"<figcaption>{escape(text)}</figcaption></figure>"
    )


def build_baselines_html(result: dict[str, Any]) -> str:
    """The page of an evaluation without a model; `result` as in the JSON."""
    facts = {
        name: value
        for name, value in result.items()
        if name not in ("baselines", "near_duplicates", "has_both_classes")
    }
    return (
        "\n".join(
            [
                *begin_page(f"Baselines on {result['data']}", facts),
                "<p class='note'>What a model must beat on these pictures.</p>",
                render_baselines(result),
                render_duplicates(result["near_duplicates"]),
            ]
        )
        + "\n"
    )
