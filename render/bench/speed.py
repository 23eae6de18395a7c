"""Seconds an evaluation beside the machine's matrix rate, and seconds until the reference's loss."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch

from render.bench.machine import matrix_rate, wait
from render.bench.problem import HISTORY, Problem
from render.bench.rival import Rival
from render.style.bands import bands_of
from render.style.lbfgs import Searches, minimize

ROUNDS = 5
_LEAST_SECONDS = 3.0
"""How long each works in a round, at least."""
BUDGETS = tuple(round(10 * 2 ** (step / 4)) for step in range(25))
"""Evaluations that the engine is given in turn, from 10 in steps of a fifth or so, until it reaches the
reference's loss, or is the slower one."""
NARROWED = 3
"""Budgets tried between the last that fell short and the first that did not, each half way."""
_FIRST_PICTURES = {"cpu": (10,), "cuda": (40, 40, 40)}
"""Evaluations of those before the one that is timed, by device: a GPU records what it has done twice."""
REACHED = 1.001
"""Times a loss, what counts as having reached it."""


@dataclass(frozen=True)
class Pace:
    """Medians over rounds in which all three took turns.

    Attributes:
        ours: seconds an evaluation.
        reference: seconds an evaluation.
        matrix_rate: operations a second of the machine, in the engine's precision.
    """

    ours: float
    reference: float
    matrix_rate: float


@dataclass(frozen=True)
class Race:
    """How long both took to one loss.

    Attributes:
        loss: the lowest that the reference came to.
        reference_evaluations: after which it had reached it.
        reference_seconds: that it took to there, its style targets not included.
        evaluations: the engine's smallest budget that reached the loss; `None`: none that is faster did.
        seconds: of the whole run with that budget, all scales included, as in the midst of a job: style
            targets, and what a machine compiles and records, are made once.
    """

    loss: float
    reference_evaluations: int
    reference_seconds: float
    evaluations: int | None
    seconds: float | None

    @property
    def speedup(self) -> float | None:
        """The reference's seconds over the engine's."""
        return None if self.seconds is None else self.reference_seconds / self.seconds


def pace(problem: Problem, rival: Rival) -> Pace:
    """Measure both at full size, in turns, so that a busy moment of the machine falls on all.

    The reference's history is short here, which flatters it: its direction costs 4 passes over the
    pixels for every pair that it holds.
    """
    device = problem.canvas.device
    objective = problem.objective(problem.stylizer())
    start = problem.canvas.flatten(1)
    bands = bands_of(*problem.canvas.shape[-2:], device)
    kept = Searches(sys.maxsize)  # as a stylizer keeps them on a GPU

    def ours(evaluations: int) -> float:
        wait(device)
        begin = time.perf_counter()
        minimize(objective, start, evaluations=evaluations, history=HISTORY, bands=bands, kept=kept)
        wait(device)
        return (time.perf_counter() - begin) / evaluations

    ours(2), rival.pace(2)
    own, theirs = (max(2, round(_LEAST_SECONDS / work(2))) for work in (ours, rival.pace))
    rounds = [
        (ours(own), rival.pace(theirs), matrix_rate(device, problem.precision))
        for _ in range(ROUNDS)
    ]
    return Pace(*(median(figures) for figures in zip(*rounds, strict=True)))


def race(problem: Problem, rival: Rival, evaluations: int) -> Race:
    """Let the reference make so many evaluations; find how long the engine takes to its loss.

    The engine works as a job does: coarse to fine, in its own precision. Its result is judged by the
    reference's own float32 objective.
    """
    device = problem.canvas.device
    run = rival.race(evaluations)
    goal = min(loss for loss, _ in run)
    made, taken = next(
        (number, seconds)
        for number, (loss, seconds) in enumerate(run, start=1)
        if loss <= REACHED * goal
    )
    reference, stylizer = problem.reference(), problem.stylizer()

    def try_budget(evaluations: int) -> tuple[bool, float]:
        """Whether so many evaluations reach the goal, and their seconds."""
        begin = time.perf_counter()
        painted = stylizer.stylize(problem.content, evaluations=evaluations)
        wait(device)
        seconds = time.perf_counter() - begin
        with torch.no_grad():
            return reference.loss(painted.canvas).item() <= REACHED * goal, seconds

    for first in _FIRST_PICTURES[device.type]:
        try_budget(first)
    budget, seconds = _smallest(try_budget, taken) or (None, None)
    return Race(goal, made, taken, budget, seconds)


def _smallest(
    attempt: Callable[[int], tuple[bool, float]], limit: float
) -> tuple[int, float] | None:
    """The smallest budget that reaches the goal, and its seconds; `None`: none within `limit` does."""
    short = 0
    for budget in BUDGETS:
        reached, seconds = attempt(budget)
        if reached:
            break
        if seconds > limit:
            return None
        short = budget
    else:
        return None
    best = budget, seconds
    for _ in range(NARROWED):
        budget = (short + best[0]) // 2
        reached, seconds = attempt(budget)
        if reached:
            best = budget, seconds
        else:
            short = budget
    return best
