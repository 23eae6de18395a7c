"""Seconds an evaluation, and seconds until the reference's loss."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch

from render.bench.machine import wait
from render.bench.problem import HISTORY, Problem
from render.bench.reference import ReferenceRun
from render.style.lbfgs import minimize

ROUNDS = 5
_LEAST_SECONDS = 0.5
"""How long the reference works in a round, at least."""
BUDGETS = tuple(round(10 * 2 ** (step / 4)) for step in range(25))
"""Evaluations that the engine is given in turn, from 10 in steps of a fifth or so, until it reaches the
reference's loss, or is the slower one."""
REACHED = 1.001
"""Times a loss, what counts as having reached it."""


@dataclass(frozen=True)
class Pace:
    """Seconds an evaluation, medians over rounds in which both took turns."""

    ours: float
    reference: float


@dataclass(frozen=True)
class Race:
    """How long both took to one loss.

    Attributes:
        loss: the lowest that the reference came to.
        reference_evaluations: after which it had reached it.
        reference_seconds: that it took to there, preparations included.
        evaluations: the engine's smallest budget that reached the loss; `None`: none that is faster did.
        seconds: of the whole run with that budget, all scales and preparations included.
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


def pace(problem: Problem) -> Pace:
    """Measure both at full size, in turns, so that a busy moment of the machine falls on both.

    The reference's history is short here, which flatters it: its direction costs 4 passes over the
    pixels for every pair that it holds.
    """
    device = problem.canvas.device
    run = ReferenceRun(problem.reference().loss, problem.canvas)
    objective = problem.objective(problem.stylizer())
    start = problem.canvas.flatten(1)

    def ours(evaluations: int) -> int:
        return minimize(objective, start, evaluations=evaluations, history=HISTORY).evaluations

    ours(2)
    once = _seconds_each(lambda: run.evaluate(2), device)
    chunk = max(2, round(_LEAST_SECONDS / once))
    rounds = [
        (
            _seconds_each(lambda: run.evaluate(chunk), device),
            _seconds_each(lambda: ours(chunk), device),
        )
        for _ in range(ROUNDS)
    ]
    return Pace(median(own for _, own in rounds), median(theirs for theirs, _ in rounds))


def race(problem: Problem, evaluations: int) -> Race:
    """Let the reference make so many evaluations; find how long the engine takes to its loss.

    The engine works as a job does: coarse to fine, in its own precision, from targets on. Its result is
    judged by the reference's own float32 objective.
    """
    device = problem.canvas.device
    begin = time.perf_counter()
    reference = problem.reference()
    run = ReferenceRun(reference.loss, problem.canvas)
    run.evaluate(evaluations)
    goal = min(run.losses)
    made = 1 + next(n for n, loss in enumerate(run.losses) if loss <= REACHED * goal)
    taken = run.moments[made - 1] - begin

    for budget in BUDGETS:
        begin = time.perf_counter()
        painted = problem.stylizer().stylize(problem.content, evaluations=budget)
        wait(device)
        seconds = time.perf_counter() - begin
        with torch.no_grad():
            if reference.loss(painted.canvas).item() <= REACHED * goal:
                return Race(goal, made, taken, budget, seconds)
        if seconds > taken:
            break
    return Race(goal, made, taken, None, None)


def _seconds_each(work: Callable[[], int], device: torch.device) -> float:
    """Seconds of `work` over the number of evaluations that it returns."""
    wait(device)
    begin = time.perf_counter()
    made = work()
    wait(device)
    return (time.perf_counter() - begin) / made
