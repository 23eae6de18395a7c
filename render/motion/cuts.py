"""Cuts between shots: found by PySceneDetect's detectors, confirmed by the optical flow.

A detector sees how much changes from one frame to the next, not what. So it only proposes, and
liberally; the flow then says whether the picture before was carried on. A cut stands where it was
not. This is why no shortest length is asked of a shot: the usual 0.6 s is there against false
alarms, which the flow catches, and it would lose every second cut of a quick montage.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain, repeat

import cv2
import numpy as np
from scenedetect import AdaptiveDetector, ContentDetector, FrameTimecode

from render.errors import SourceError
from render.motion.flow import estimate_flow
from render.motion.reliability import occlusions, outside_frame
from render.motion.warp import warp
from render.pixels import FloatMap, Pixels

RATIO = 3.0
"""A change this many times that of its neighbours (two on each side) is proposed,"""
LEAST_CHANGE = 15.0
"""if it is at least this large (mean of hue, saturation and value, 0 to 255),"""
ABRUPT_CHANGE = 40.0
"""and one so large always: among cuts that stand side by side no ratio sticks out."""

LONG_SIDE = 128
"""Pixels of the long side at which proposals are examined."""
CARRIED_ON = 0.2
"""Share of the detail of two frames that must correspond for them to be of one shot. Unrelated
pictures reached 0.17, neighbouring frames of a clip with violent motion fell to 0.5."""
ALIKE = 3.0
"""Two frames with a smaller mean difference in luminance (0 to 255) are never cut apart."""


def find_cuts(thumbnails: Iterable[Pixels], rate: Fraction | None) -> list[int]:
    """First frames of new shots, as positions in the sequence.

    Pans up to a tenth of the picture a frame, zooms, changes of exposure, fades, and flashes (1/8 s,
    at least 3 frames, all brighter or all darker than the scene, which goes on after them) do not
    split a shot. A shot may be as short as one frame, also at either end. Dissolves, wipes and cuts
    softened by a blended frame are not found: nothing in them is abrupt.

    The sequence is read once, and only some ten frames are kept.

    Args:
        thumbnails: h×w×3 RGB pictures of one size, in order; 128 pixels on the long side are enough.
        rate: frames a second, to tell how many frames a flash may last; `None`: 3 frames.

    Returns:
        Positions in ascending order, never 0.

    Raises:
        SourceError: the pictures differ in size.
    """
    reach = longest_flash(rate) + 1
    recent: deque[FloatMap] = deque(maxlen=2 * reach)
    proposals: set[int] = set()
    cuts = []
    for index, (thumbnail, proposed) in enumerate(_propose(_padded(thumbnails, reach))):
        proposals.update(proposed)
        recent.append(_luminance(thumbnail))
        position = index - reach + 1
        if position in proposals:
            views = list(recent)
            if _is_cut(views[:reach], views[reach:]):
                cuts.append(position - reach)
    return cuts


def longest_flash(rate: Fraction | None) -> int:
    """Frames that a flash may last at this rate: 1/8 s, but 3 to 8 frames."""
    return 3 if rate is None else min(8, max(3, round(rate / 8)))


def _padded(thumbnails: Iterable[Pixels], count: int) -> Iterator[Pixels]:
    """The pictures with `count` copies of the first before and of the last after them.

    The adaptive detector judges a frame by two on either side, and can say nothing about the first
    two and the last two of what it is shown.
    """
    stream = iter(thumbnails)
    first = next(stream, None)
    if first is None:
        return
    last = first
    yield from repeat(first, count)
    for position, last in enumerate(chain([first], stream)):
        if last.shape != first.shape:
            raise SourceError(
                f"frame {position} has the shape {last.shape}, the ones before it {first.shape}: "
                "cuts are looked for in frames of one size"
            )
        yield last
    yield from repeat(last, count)


def _propose(thumbnails: Iterable[Pixels]) -> Iterator[tuple[Pixels, list[int]]]:
    """Each picture with the positions proposed on seeing it: its own, or up to two before."""
    detectors = (
        AdaptiveDetector(
            adaptive_threshold=RATIO,
            min_scene_len=0,
            window_width=2,
            min_content_val=LEAST_CHANGE,
        ),
        ContentDetector(threshold=ABRUPT_CHANGE, min_scene_len=0),
    )
    for index, thumbnail in enumerate(thumbnails):
        bgr = cv2.cvtColor(thumbnail, cv2.COLOR_RGB2BGR)
        # Only the count of frames is used, so that any rate will do.
        now = FrameTimecode(index, Fraction(25))
        yield thumbnail, [cut.frame_num for it in detectors for cut in it.process_frame(now, bgr)]


def _luminance(thumbnail: Pixels) -> FloatMap:
    """Luminance, shrunk and lightly smoothed against grain."""
    grey: FloatMap = cv2.cvtColor(thumbnail, cv2.COLOR_RGB2GRAY).astype(np.float32)
    scale = LONG_SIDE / max(grey.shape)
    if scale < 1:
        size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
        grey = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.float32)
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), 1.0), dtype=np.float32)


def _is_cut(before: Sequence[FloatMap], after: Sequence[FloatMap]) -> bool:
    """Whether a shot ends with the last of `before` and another begins with the first of `after`."""
    last, first = before[-1], after[0]
    return not (
        float(np.abs(first - last).mean()) < ALIKE
        or carried_on(last, first) >= CARRIED_ON
        or _fades(before, after)
        or _flashes(before, after)
    )


def carried_on(before: FloatMap, after: FloatMap) -> float:
    """Share of the detail of two frames that corresponds along the optical flow, 0 to 1.

    Both are brought to one mean and contrast. A pixel has detail where the luminance around it
    varies in either frame; it corresponds where the flows there and back agree, and the local
    normalised cross-correlation of the frame with the warped one before is above 0.7.
    """
    old, new = _equalised(before), _equalised(after)
    flow = estimate_flow(_as_picture(new), _as_picture(old))
    reverse = estimate_flow(_as_picture(old), _as_picture(new))
    warped = warp(old[..., None], flow)[..., 0]
    mean_new, mean_warped, mean_old = _around(new), _around(warped), _around(old)
    floor = np.float32(16)  # variance of what is taken for noise
    variance_new = np.maximum(_around(new * new) - mean_new**2, 0)
    variance_warped = np.maximum(_around(warped * warped) - mean_warped**2, 0)
    variance_old = np.maximum(_around(old * old) - mean_old**2, 0)
    covariance = _around(new * warped) - mean_new * mean_warped
    correlation = (covariance + floor) / np.sqrt((variance_new + floor) * (variance_warped + floor))
    detail = np.maximum(variance_new, variance_old) > floor
    corresponds = ~occlusions(flow, reverse) & ~outside_frame(flow) & (correlation > 0.7)
    return float((corresponds & detail).sum() / max(1, detail.sum()))


def _equalised(luminance: FloatMap) -> FloatMap:
    """Mean 128 and standard deviation 50 (less where there is next to no contrast), in 0 to 255."""
    contrast = max(float(luminance.std()), 4.0)
    centred = (luminance - luminance.mean()) * np.float32(50 / contrast)
    return np.asarray(np.clip(128 + centred, 0, 255), dtype=np.float32)


def _as_picture(luminance: FloatMap) -> Pixels:
    return np.repeat(np.rint(luminance).astype(np.uint8)[..., None], 3, axis=2)


def _around(values: FloatMap) -> FloatMap:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), 3.0), dtype=np.float32)


def _step(before: FloatMap, after: FloatMap) -> float:
    """Mean gain in luminance if light was only added or only taken away, else 0."""
    gain = after - before
    mean = float(gain.mean())
    one_way = float((gain * np.sign(mean) > -8).mean()) >= 0.9
    return mean if one_way and abs(mean) > ALIKE else 0.0


def _fades(before: Sequence[FloatMap], after: Sequence[FloatMap]) -> bool:
    """Whether the change is one step of several in a fade: as in the frame before or after it."""
    step = _step(before[-1], after[0])
    neighbours = (_step(before[-2], before[-1]), _step(after[0], after[1]))
    return step != 0 and any(other / step >= 0.5 for other in neighbours)


def _flashes(before: Sequence[FloatMap], after: Sequence[FloatMap]) -> bool:
    """Whether a flash begins or ends here: light comes or goes for a moment, and the scene stays."""
    views, here = [*before, *after], len(before)
    for gap in range(2, len(before) + 1):
        for first in range(here - gap, here):
            last = first + gap
            steps = [_step(views[first], views[k]) for k in range(first + 1, last)]
            one_way = min(steps) > 0 or max(steps) < 0
            left_over = abs(float((views[last] - views[first]).mean()))
            over = left_over < max(map(abs, steps)) / 2
            if one_way and over and carried_on(views[first], views[last]) >= CARRIED_ON:
                return True
    return False
