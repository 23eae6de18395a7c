"""Charts as plain SVG that takes its colours from the page."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from html import escape

from markupsafe import Markup

WIDTH, HEIGHT = 720, 240
LEFT, RIGHT, TOP, BOTTOM = 76, 12, 12, 32
"""Room for labels, also in the larger print that phones get."""
MOST_POINTS = 1200
"""Points of a line; more than a screen has columns add nothing."""
MOST_TICKS = 5
LARGEST = 1e100
MOST_ROWS = 48
"""Workers that a timeline shows."""
LONGEST_PAUSE = 0.05
"""Share of all working time to which a pause is cut: that between two runs may be days."""

Point = tuple[float, float]
Piece = tuple[float, float, str]


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
        lines: points (x, y) of each line, by its name; what is no number, or a huge one, is left out.
        label: what the chart shows, for those who do not see it.
        across: name of the axis x.
        logarithmic: whether y has a logarithmic scale; values below 0 are then left out.
        marks: places on x that get a vertical rule, such as seams.
    """
    kept = {
        name: [(x, y) for x, y in points if abs(y) < LARGEST and (y > 0 or not logarithmic)]
        for name, points in lines.items()
    }
    every = [point for points in kept.values() for point in points]
    if not every:
        return Markup("")
    low_x, high_x = min(x for x, _ in every), max(x for x, _ in every)
    low, high = min(y for _, y in every), max(y for _, y in every)
    if not logarithmic:
        low = min(low, 0.0)
    if high <= low:
        low, high = (low / 2, low * 2) if logarithmic else (low, low + 1)
    shape = math.log10 if logarithmic else float
    bottom, top = shape(low), shape(high)

    def at_x(x: float) -> float:
        return LEFT + (x - low_x) / ((high_x - low_x) or 1) * (WIDTH - LEFT - RIGHT)

    def at_y(y: float) -> float:
        return HEIGHT - BOTTOM - (shape(y) - bottom) / (top - bottom) * (HEIGHT - TOP - BOTTOM)

    parts = []
    for value in ticks(low, high, logarithmic=logarithmic):
        parts.append(f'<path class="grid" d="M{LEFT} {at_y(value):.1f}H{WIDTH - RIGHT}"/>')
        parts.append(
            f'<text x="{LEFT - 8}" y="{at_y(value) + 5:.1f}" class="end">{number(value)}</text>'
        )
    for x in marks:
        parts.append(f'<path class="mark" d="M{at_x(x):.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
    for order, (name, points) in enumerate(kept.items()):
        title = f"<title>{escape(name)}</title>"
        places = [f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in _thinned(points)]
        if len(places) == 1:
            left, down = places[0].split(",")
            parts.append(
                f'<circle class="line{order % 5} dot" cx="{left}" cy="{down}" r="3">{title}</circle>'
            )
        elif places:
            parts.append(
                f'<polyline class="line{order % 5}" points="{" ".join(places)}">{title}</polyline>'
            )
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 8}">{low_x:g}</text>')
    parts.append(
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" class="end">{escape(across)} {high_x:g}</text>'
    )
    return _svg(parts, HEIGHT, label)


def timeline(work: Mapping[str, Sequence[Piece]], label: str) -> Markup:
    """A bar for each piece of work, in a row for each worker; long pauses of all are cut short.

    Args:
        work: begin and end in seconds and a name, by worker.
        label: what the chart shows.
    """
    work, pauses = _without_pauses(dict(list(work.items())[:MOST_ROWS]))
    every = [piece for pieces in work.values() for piece in pieces]
    if not every:
        return Markup("")
    end = max(piece[1] for piece in every)
    left, row = 120, 28
    scale = (WIDTH - left - RIGHT) / (end or 1)
    parts = []
    for order, (worker, pieces) in enumerate(work.items()):
        y = TOP + order * row
        parts.append(f'<text x="{left - 8}" y="{y + 16}" class="end">{escape(worker)}</text>')
        for piece, (start, stop, name) in enumerate(pieces):
            x, width = left + start * scale, max((stop - start) * scale - 0.5, 0.5)
            parts.append(
                f'<rect class="bar{piece % 2}" x="{x:.1f}" y="{y}" width="{width:.1f}" '
                f'height="{row - 6}" rx="1"><title>{escape(name)}</title></rect>'
            )
    height = TOP + len(work) * row + 26
    for pause in pauses:
        x = left + pause * scale
        parts.append(
            f'<path class="mark" d="M{x:.1f} {TOP}V{height - 24}"><title>a pause</title></path>'
        )
    parts.append(f'<text x="{left}" y="{height - 5}">0 s</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{height - 5}" class="end">{end:.1f} s</text>')
    return _svg(parts, height, label)


def ticks(low: float, high: float, *, logarithmic: bool = False) -> list[float]:
    """Round values between two, both included, for the axis: two to `MOST_TICKS`, where there are."""
    if logarithmic:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        for steps, apart in (((1, 2, 5), 1), ((1,), 1), ((1,), 2), ((1,), 4), ((1,), 8)):
            found = [m * 10.0**n for n in range(first, last + 1, apart) for m in steps]
            found = [value for value in found if low <= value <= high]
            if len(found) <= MOST_TICKS:
                break
        if len(found) >= 2:
            return found
    rough = (high - low) / MOST_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
    return [
        n * step for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    ]


def number(value: float) -> str:
    """A tick's value in few characters: `0.05`, `2e-4`, `300`."""
    if value == 0 or 1e-2 <= abs(value) < 1e4:
        return f"{value:.4g}"
    digits, power = f"{value:.1e}".split("e")
    return f"{digits.removesuffix('.0')}e{int(power)}"


def _thinned(points: Sequence[Point]) -> Sequence[Point]:
    return points[:: -(-len(points) // MOST_POINTS) or 1]


def _without_pauses(
    work: Mapping[str, Sequence[Piece]],
) -> tuple[dict[str, list[Piece]], list[float]]:
    """The work from 0 seconds on, with pauses cut, and where one was cut."""
    every = sorted(piece[:2] for pieces in work.values() for piece in pieces)
    longest = LONGEST_PAUSE * sum(stop - start for start, stop in every)
    shifts: list[tuple[float, float]] = []
    pauses: list[float] = []
    until = shift = every[0][0] if every else 0.0
    for start, stop in every:
        if start - until > longest:
            shift += start - until - longest
            pauses.append(start - shift - longest / 2)
        shifts.append((start, shift))
        until = max(until, stop)
    known = dict(shifts)
    moved = {
        worker: [(start - known[start], stop - known[start], name) for start, stop, name in pieces]
        for worker, pieces in work.items()
    }
    return moved, pauses


def _svg(parts: Sequence[str], height: int, label: str) -> Markup:
    body = "".join(parts)
    return Markup(
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">{body}</svg>'
    )
