"""How the evaluations of a frame are shared out over its stages: a function of the job alone."""

from __future__ import annotations

from typing import Literal, get_args

from render.spec.job import Job, Temporal
from render.spec.media import VideoInput

Effort = Literal["first", "later", "anchor"]
"""What a frame is to the others: the first of a chain; one that starts from the frame before it; a later
anchor, which starts from one far back."""
EFFORTS: tuple[Effort, ...] = get_args(Effort)

LEAST = 8
"""Warm evaluations of a stage: L-BFGS begins anew in each. In fewer it learns little, and a
chain of frames loses its texture (seen with 5)."""
AHEAD = 8
"""Frames by which a stage may be ahead of the next one: so much is painted but not yet used."""
PROBE = 100
"""Evaluations of a probe at least. Paintings of fewer have less detail, and how much less depends on the
content: on a slow pan out of rich into plain content those of 300 had 1.18 to 1.54 times the detail of
those of 40, 1.06 to 1.15 times that of 80, 1.04 to 1.07 times that of 100."""
LEAST_PROBED = 40
"""Warm evaluations with which probes are made: with fewer they would add more than an eighth."""
ANCHOR = 2
"""An anchor has so many times the warm evaluations: much of it lies in no earlier one, and all the
frames of its segment start from it."""


def stage_count(job: Job) -> int:
    """Stages of each frame; 1 where frames are painted in one go, as pictures always are."""
    temporal = job.temporal
    if not isinstance(job.input, VideoInput):
        return 1
    if temporal.parallel != "waves" or temporal.warm_start == "none":
        return 1
    return max(1, min(temporal.stages, job.optimize.warm_evaluations // LEAST))


def stage_evaluations(job: Job, stages: int, effort: Effort) -> tuple[int, ...]:
    """Evaluations of each of `stages` stages; they sum to the frame's budget if it suffices.

    Args:
        job: whose budgets they are.
        stages: of the frame.
        effort: that the frame takes. All that the first of a chain has more than the others is spent
            in its first stage, which paints coarse to fine and has half of them at least.
    """
    optimize = job.optimize
    each = optimize.warm_evaluations // stages
    if effort == "first":
        each = min(each, optimize.evaluations // (2 * stages))
    total = {
        "first": optimize.evaluations,
        "later": optimize.warm_evaluations,
        "anchor": max(
            optimize.warm_evaluations, min(ANCHOR * optimize.warm_evaluations, optimize.evaluations)
        ),
    }[effort]
    return (max(1, total - (stages - 1) * each), *(max(1, each) for _ in range(stages - 1)))


def is_carried(temporal: Temporal) -> bool:
    """Whether a frame starts from others that were carried to it along the motion."""
    return temporal.warm_start == "warped" and temporal.flow != "none"


def probe_evaluations(job: Job) -> int:
    """Evaluations of a probe, see `Unit.probed`; 0: it makes none."""
    optimize = job.optimize
    warm = min(optimize.evaluations, optimize.warm_evaluations)
    carried = isinstance(job.input, VideoInput) and is_carried(job.temporal)
    if not carried or warm < LEAST_PROBED:
        return 0
    return min(optimize.evaluations, max(warm, PROBE))


def gaps_back(job: Job) -> tuple[int, ...]:
    """How many frames back those lie, beside the one before, that a frame is pulled towards."""
    reach = job.temporal.long_term
    return tuple(2**n for n in range(1, reach.bit_length()) if 2**n <= reach)


def frames_kept(job: Job) -> int:
    """How many of the frames that it painted last a worker keeps, as the next ones look at them."""
    return max(gaps_back(job), default=1)
