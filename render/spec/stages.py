"""How the evaluations of a frame are shared out over its stages: a function of the job alone."""

from __future__ import annotations

from render.spec.job import Job
from render.spec.media import VideoInput

LEAST = 8
"""Warm evaluations of a stage: L-BFGS begins anew in each. In fewer it learns little, and a
chain of frames loses its texture (seen with 5)."""


def stage_count(job: Job) -> int:
    """Stages of each frame; 1 where frames are painted in one go, as pictures always are."""
    temporal = job.temporal
    if not isinstance(job.input, VideoInput):
        return 1
    if temporal.parallel == "chain" or temporal.warm_start == "none":
        return 1
    return max(1, min(temporal.stages, job.optimize.warm_evaluations // LEAST))


def stage_evaluations(job: Job, stages: int, *, cold: bool) -> tuple[int, ...]:
    """Evaluations of each of `stages` stages; they sum to the frame's budget if it suffices.

    Args:
        job: whose budgets they are.
        stages: of the frame.
        cold: whether the frame follows no other: then all but the warm share of the later stages
            is spent in the first, which paints coarse to fine.
    """
    optimize = job.optimize
    each = optimize.warm_evaluations // stages
    total = optimize.evaluations if cold else optimize.warm_evaluations
    return (max(1, total - (stages - 1) * each), *(max(1, each) for _ in range(stages - 1)))
