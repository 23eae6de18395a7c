"""The reference in a process of its own, with the allocator that its users have."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from types import TracebackType

from render.bench.machine import wait
from render.bench.problem import Problem
from render.bench.reference import ReferenceRun


class Rival:
    """Lets the reference work on a problem, where the engine's own settings do not reach it."""

    def __init__(self, problem: Problem) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would begin with our own settings
        self._process = ProcessPoolExecutor(1, context, _begin, (problem,))

    def __enter__(self) -> Rival:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._process.shutdown()

    def pace(self, evaluations: int) -> float:
        """Seconds an evaluation, over at least so many more of one run."""
        return self._process.submit(_pace, evaluations).result()

    def race(self, evaluations: int) -> list[tuple[float, float]]:
        """The loss of each evaluation of a run of at least so many, and seconds from the first on."""
        return self._process.submit(_race, evaluations).result()


_problem: Problem
_run: ReferenceRun


def _begin(problem: Problem) -> None:
    global _problem, _run  # noqa: PLW0603 - what a process holds between two calls
    _problem = problem
    _run = ReferenceRun(problem.reference().loss, problem.canvas)


def _pace(evaluations: int) -> float:
    device = _problem.canvas.device
    wait(device)
    begin = time.perf_counter()
    made = _run.evaluate(evaluations)
    wait(device)
    return (time.perf_counter() - begin) / made


def _race(evaluations: int) -> list[tuple[float, float]]:
    run = ReferenceRun(_problem.reference().loss, _problem.canvas)
    wait(_problem.canvas.device)
    begin = time.perf_counter()
    run.evaluate(evaluations)
    moments = (moment - begin for moment in run.moments)
    return list(zip(run.losses, moments, strict=True))
