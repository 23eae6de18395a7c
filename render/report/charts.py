"""Charts as plain SVG that takes its colours from the page."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from html import escape

from markupsafe import Markup

WIDTH, HEIGHT = 720, 220
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 28
MOST_POINTS = 1200
"""Points of a line; more than a screen has columns add nothing."""

Point = tuple[float, float]


def line_chart(
    lines: Mapping[str, Sequence[Point]],
    label: str,
    across: str,
    *,
    logarithmic: bool = False,
    marks: Collection[float] = (),
) -> Markup:
    """Lines over one axis.

    Args:
        lines: points (x, y) of each line, by its name; values that are no number are left out.
        label: what the chart shows, for those who do not see it.
        across: name of the axis x.
        logarithmic: whether y has a logarithmic scale; values below 0 are then left out.
        marks: places on x that get a vertical rule, such as seams.
    """
    kept = {
        name: [(x, y) for x, y in points if math.isfinite(y) and (y > 0 or not logarithmic)]
        for name, points in lines.items()
    }
    every = [point for points in kept.values() for point in points]
    if not every:
        return Markup("")
    low_x, high_x = min(x for x, _ in every), max(x for x, _ in every)
    heights = [_height(y, logarithmic=logarithmic) for _, y in every]
    low, high = min(heights) if logarithmic else min(0.0, *heights), max(heights)
    high = high if high > low else low + 1

    def at(x: float, y: float) -> str:
        right = LEFT + (x - low_x) / ((high_x - low_x) or 1) * (WIDTH - LEFT - RIGHT)
        share = (_height(y, logarithmic=logarithmic) - low) / (high - low)
        return f"{right:.1f},{HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM):.1f}"

    parts = []
    for n in range(4):
        share = n / 3
        value = low + share * (high - low)
        down = HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
        parts.append(f'<path class="grid" d="M{LEFT} {down:.1f}H{WIDTH - RIGHT}"/>')
        shown = 10**value if logarithmic else value
        parts.append(f'<text x="{LEFT - 8}" y="{down + 4:.1f}" class="end">{shown:.2g}</text>')
    for x in marks:
        right = at(x, every[0][1]).split(",")[0]
        parts.append(f'<path class="mark" d="M{right} {TOP}V{HEIGHT - BOTTOM}"/>')
    for number, (name, points) in enumerate(kept.items()):
        step = -(-len(points) // MOST_POINTS) or 1
        path = " ".join(at(*point) for point in points[::step])
        title = f"<title>{escape(name)}</title>"
        if len(points) == 1:
            left, down_at = path.split(",")
            parts.append(
                f'<circle class="line{number % 5} dot" cx="{left}" cy="{down_at}" r="3">{title}</circle>'
            )
        elif points:
            parts.append(f'<polyline class="line{number % 5}" points="{path}">{title}</polyline>')
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 8}">{low_x:g}</text>')
    parts.append(
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" class="end">{escape(across)} {high_x:g}</text>'
    )
    return _svg(parts, HEIGHT, label)


def timeline(work: Mapping[str, Sequence[tuple[float, float, str]]], label: str) -> Markup:
    """A bar for each piece of work, in a row for each worker.

    Args:
        work: begin and end in seconds and a name, by worker.
        label: what the chart shows.
    """
    every = [piece for pieces in work.values() for piece in pieces]
    if not every:
        return Markup("")
    begin, end = min(b for b, _, _ in every), max(e for _, e, _ in every)
    left, row = 92, 22
    scale = (WIDTH - left - RIGHT) / ((end - begin) or 1)
    parts = []
    for number, (worker, pieces) in enumerate(work.items()):
        y = TOP + number * row
        parts.append(f'<text x="{left - 8}" y="{y + 13}" class="end">{escape(worker)}</text>')
        for piece, (start, stop, name) in enumerate(pieces):
            x, width = left + (start - begin) * scale, max((stop - start) * scale - 0.5, 0.5)
            parts.append(
                f'<rect class="bar{piece % 2}" x="{x:.1f}" y="{y}" width="{width:.1f}" '
                f'height="{row - 6}" rx="1"><title>{escape(name)}</title></rect>'
            )
    height = TOP + len(work) * row + 20
    parts.append(f'<text x="{left}" y="{height - 5}">0 s</text>')
    parts.append(
        f'<text x="{WIDTH - RIGHT}" y="{height - 5}" class="end">{end - begin:.1f} s</text>'
    )
    return _svg(parts, height, label)


def _height(y: float, *, logarithmic: bool) -> float:
    return math.log10(y) if logarithmic else y


def _svg(parts: Sequence[str], height: int, label: str) -> Markup:
    body = "".join(parts)
    return Markup(
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">{body}</svg>'
    )
