"""Line charts as SVG. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from training.evaluation.label_styles import find_style

Point = tuple[float, float]
CHART_WIDTH, CHART_HEIGHT = 460, 320
LEFT, RIGHT, TOP, BOTTOM = 70, 14, 14, 44
LETTER_PX, LINE_SAMPLE_PX, LEGEND_ROW_PX, MAX_LEGEND_LETTERS = 6.6, 30, 18, 40
MAX_CHART_POINTS = 400


@dataclass(frozen=True)
class ChartLine:
    """One curve: its name and its points, from left to right."""

    name: str
    points: Sequence[Point]


def draw_chart(
    title: str,
    across: str,
    down: str,
    lines: Sequence[ChartLine],
    mark: Point | None = None,
    axis_max: Point = (0.0, 0.0),
) -> str:
    """An SVG chart; the axes go from 0 to at least `axis_max`, and a ring shows `mark`."""
    everything = [point for line in lines for point in line.points]
    legend = _draw_legend([line.name for line in lines])
    top = TOP + legend.height
    height = CHART_HEIGHT + legend.height
    max_x = max([1e-9, axis_max[0], *(x for x, _ in everything)])
    max_y = max([1e-9, axis_max[1], *(y for _, y in everything)])

    def to_pixels(point: Point) -> Point:
        return (
            LEFT + point[0] / max_x * (CHART_WIDTH - LEFT - RIGHT),
            height - BOTTOM - point[1] / max_y * (height - top - BOTTOM),
        )

    parts = [
        f'<svg viewBox="0 0 {CHART_WIDTH} {height}" role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>",
        *legend.parts,
        *_draw_axes(across, down, (max_x, max_y), (top, height)),
    ]
    for number, line in enumerate(lines):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(to_pixels, _thin_points(line.points)))
        parts.append(f'<polyline points="{path}" {_format_stroke(number)}/>')
    if mark is not None:
        x, y = to_pixels(mark)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="none" stroke="#111"/>')
    return "\n".join([*parts, "</svg>"])


@dataclass(frozen=True)
class _Legend:
    parts: Sequence[str]
    height: int


def _draw_legend(names: Sequence[str]) -> _Legend:
    """A line sample and its name for each curve, in as many rows as they need."""
    parts, x, row = [], float(LEFT), 0
    for number, name in enumerate(names):
        cut = len(name) > MAX_LEGEND_LETTERS
        shown = name[: MAX_LEGEND_LETTERS - 3] + "..." if cut else name
        width = LINE_SAMPLE_PX + LETTER_PX * len(shown) + 14
        if x > LEFT and x + width > CHART_WIDTH - RIGHT:
            x, row = float(LEFT), row + 1
        y = 14 + row * LEGEND_ROW_PX
        parts += [
            f'<path d="M{x:.0f},{y - 4}h{LINE_SAMPLE_PX - 6}" {_format_stroke(number)}/>',
            f'<text x="{x + LINE_SAMPLE_PX:.0f}" y="{y}">{escape(shown)}</text>',
        ]
        x += width
    return _Legend(parts, (row + 1) * LEGEND_ROW_PX if names else 0)


def _format_stroke(number: int) -> str:
    style = find_style(number)
    dashes = f' stroke-dasharray="{style.dashes}"' if style.dashes else ""
    return f'fill="none" stroke="{style.colour}" stroke-width="2"{dashes}'


def _draw_axes(across: str, down: str, max_point: Point, rows: tuple[int, int]) -> list[str]:
    (max_x, max_y), (top, height) = max_point, rows
    right, bottom = CHART_WIDTH - RIGHT, height - BOTTOM
    parts = [
        f'<path d="M{LEFT},{top}V{bottom}H{right}" fill="none" stroke="#888"/>',
        f'<text x="{(LEFT + right) / 2}" y="{height - 8}" text-anchor="middle">{escape(across)}</text>',
        f'<text transform="translate(14,{(top + bottom) / 2}) rotate(-90)" '
        f'text-anchor="middle">{escape(down)}</text>',
    ]
    for step in range(5):
        share = step / 4
        x, y = LEFT + share * (right - LEFT), bottom - share * (bottom - top)
        parts += [
            f'<path d="M{x:.1f},{bottom}v4M{LEFT},{y:.1f}h-4" stroke="#888"/>',
            f'<text x="{x:.1f}" y="{bottom + 17}" text-anchor="middle">{_format_value(share * max_x)}</text>',
            f'<text x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{_format_value(share * max_y)}</text>',
        ]
    return parts


def _format_value(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _thin_points(points: Sequence[Point]) -> Sequence[Point]:
    step = max(1, len(points) // MAX_CHART_POINTS)
    return [*points[::step], *([points[-1]] if points else [])]
