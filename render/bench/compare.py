"""The benchmark: every size measured, and what follows from the figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from render.assembly import fastest_precision
from render.bench.machine import Machine, describe
from render.bench.memory import memory
from render.bench.problem import SMALLEST, convolutions, operations, problem
from render.bench.rival import Rival
from render.bench.speed import pace, race
from render.errors import EngineError
from render.settle import settle

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
SIZES = (256, 512, 1024)
EVALUATIONS = 200
MINUTES = 6.0


@dataclass(frozen=True)
class Row:
    """Figures of one size; times in seconds, memory in bytes.

    Attributes:
        size: side of the picture that goes through the network, its margin included.
        device: `cpu` or `cuda`.
        precision: of the engine's convolutions; the reference's is float32.
        speedup_per_evaluation: the reference's seconds an evaluation over ours.
        speedup_to_loss: the reference's seconds to its lowest loss over ours to the same;
            `None`: not measured, or not reached.
        matrix_share: operations of convolutions and Gram matrices a second, over the machine's rate.
        memory_ratio: our peak over the reference's.
        seconds_per_evaluation: ours.
        reference_seconds_per_evaluation: the reference's.
        loss: the lowest of the reference's evaluations; `None`: not measured.
        evaluations_to_loss: the engine's smallest budget that reached it.
        reference_evaluations_to_loss: after how many the reference had.
        seconds_to_loss: of the engine's run with that budget.
        reference_seconds_to_loss: of the reference's run to there.
        operations: of one evaluation.
        matrix_rate: operations a second of this machine in this precision.
        memory: our peak.
        reference_memory: the reference's peak.
    """

    size: int
    device: str
    precision: str
    speedup_per_evaluation: float
    speedup_to_loss: float | None
    matrix_share: float
    memory_ratio: float
    seconds_per_evaluation: float
    reference_seconds_per_evaluation: float
    loss: float | None
    evaluations_to_loss: int | None
    reference_evaluations_to_loss: int | None
    seconds_to_loss: float | None
    reference_seconds_to_loss: float | None
    operations: int
    matrix_rate: float
    memory: int
    reference_memory: int


@dataclass(frozen=True)
class Settings:
    """What to measure.

    Attributes:
        sizes: sides in pixels, multiples of 16, at least `SMALLEST`.
        device: `auto`, `cpu` or `cuda`.
        precision: `auto`, `float32` or `bfloat16`.
        evaluations: of the reference; its lowest loss is the goal.
        minutes: the time to that loss is measured where the reference takes no longer than this; 0
            leaves it out everywhere.
    """

    sizes: Sequence[int] = SIZES
    device: str = "auto"
    precision: str = "auto"
    evaluations: int = EVALUATIONS
    minutes: float = MINUTES


def compare(settings: Settings, say: Callable[[str], None]) -> tuple[Machine, Iterator[Row]]:
    """The machine, and a row for each size, measured when it is asked for.

    Args:
        settings: what to measure.
        say: told what is being measured.

    Raises:
        EngineError: a setting cannot be.
    """
    device = _device(settings.device)
    if settings.precision not in ("auto", *PRECISIONS):
        raise EngineError(f"--precision {settings.precision}: allowed are auto, float32, bfloat16")
    for size in settings.sizes:
        if size < SMALLEST or size % 16:
            raise EngineError(
                f"--sizes: {size}; allowed are multiples of 16 from {SMALLEST} on, with commas"
            )
    return describe(device), _rows(settings, device, say)


def _rows(settings: Settings, device: torch.device, say: Callable[[str], None]) -> Iterator[Row]:
    precision = PRECISIONS.get(settings.precision) or fastest_precision(device)
    settle(torch.get_num_threads(), gpu=device.type == "cuda")  # as every process of a job does
    network = convolutions()
    for size in settings.sizes:
        task = problem(network, size, device, precision)
        say(f"{size} px: seconds an evaluation")
        with Rival(task) as rival:
            each = pace(task, rival)
            # A line search of the reference may go on for some evaluations more.
            forecast = settings.evaluations * each.reference
            raced = None
            if forecast <= 60 * settings.minutes:
                say(
                    f"{size} px: time to the reference's loss, some {2 * forecast / 60:.1f} minutes"
                )
                raced = race(task, rival, settings.evaluations)
        say(f"{size} px: peak memory")
        peak = memory(size, device, precision)
        work = operations(size)
        yield Row(
            size=size,
            device=device.type,
            precision=str(precision).removeprefix("torch."),
            speedup_per_evaluation=each.reference / each.ours,
            speedup_to_loss=raced.speedup if raced else None,
            matrix_share=work / each.ours / each.matrix_rate,
            memory_ratio=peak.ours / peak.reference,
            seconds_per_evaluation=each.ours,
            reference_seconds_per_evaluation=each.reference,
            loss=raced.loss if raced else None,
            evaluations_to_loss=raced.evaluations if raced else None,
            reference_evaluations_to_loss=raced.reference_evaluations if raced else None,
            seconds_to_loss=raced.seconds if raced else None,
            reference_seconds_to_loss=raced.reference_seconds if raced else None,
            operations=work,
            matrix_rate=each.matrix_rate,
            memory=peak.ours,
            reference_memory=peak.reference,
        )


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise EngineError(
            f"--device {name}: allowed are auto, cpu and cuda; CUDA_VISIBLE_DEVICES=1 before the "
            "command makes the second GPU the only one"
        )
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise EngineError(f"--device {name}: {str(error).splitlines()[0]}") from None
    return torch.device(name)
