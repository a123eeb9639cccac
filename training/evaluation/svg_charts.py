"""Line charts as SVG. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

Point = tuple[float, float]
CHART_WIDTH, CHART_HEIGHT = 460, 320
LEFT, RIGHT, TOP, BOTTOM = 70, 14, 34, 44
LINE_COLOURS = ("#0b62a4", "#c0392b", "#7a5195", "#2e8b57")
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
    max_x = max([1e-9, axis_max[0], *(x for x, _ in everything)])
    max_y = max([1e-9, axis_max[1], *(y for _, y in everything)])

    def to_pixels(point: Point) -> Point:
        return (
            LEFT + point[0] / max_x * (CHART_WIDTH - LEFT - RIGHT),
            CHART_HEIGHT - BOTTOM - point[1] / max_y * (CHART_HEIGHT - TOP - BOTTOM),
        )

    parts = [
        f'<svg viewBox="0 0 {CHART_WIDTH} {CHART_HEIGHT}" role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>",
        *_draw_axes(across, down, max_x, max_y),
    ]
    for number, line in enumerate(lines):
        colour = LINE_COLOURS[number % len(LINE_COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(to_pixels, _thin_points(line.points)))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        x = LEFT + 10 + number * (CHART_WIDTH - LEFT - RIGHT) / max(3, len(lines))
        parts.append(f'<text x="{x:.0f}" y="18" fill="{colour}">{escape(line.name)}</text>')
    if mark is not None:
        x, y = to_pixels(mark)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="none" stroke="#111"/>')
    return "\n".join([*parts, "</svg>"])


def _draw_axes(across: str, down: str, max_x: float, max_y: float) -> list[str]:
    right, bottom = CHART_WIDTH - RIGHT, CHART_HEIGHT - BOTTOM
    parts = [
        f'<path d="M{LEFT},{TOP}V{bottom}H{right}" fill="none" stroke="#888"/>',
        f'<text x="{(LEFT + right) / 2}" y="{CHART_HEIGHT - 8}" text-anchor="middle">{escape(across)}</text>',
        f'<text transform="translate(14,{(TOP + bottom) / 2}) rotate(-90)" '
        f'text-anchor="middle">{escape(down)}</text>',
    ]
    for step in range(5):
        share = step / 4
        x, y = LEFT + share * (right - LEFT), bottom - share * (bottom - TOP)
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
