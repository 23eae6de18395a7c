"""How fast a farm goes beside the engine alone, and what a million pictures ask of the driver.

All of it goes through the real driver, store and Ray on this machine. A million pictures are drawn by
the workers rather than read, passed through, and thrown away there: what is measured with them is the
list, the plan, the scheduling, the ledger and its index, and nothing else.
"""

from __future__ import annotations

import multiprocessing
import random
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from PIL import Image

from render.batches import Batch
from render.bench.drawn import Dropped, synthetic
from render.bench.simulation import Outcome, World, simulate
from render.farm.cluster import connected
from render.farm.driver import Driver
from render.farm.events import Event, FrameDone, WorkerReady
from render.farm.pool import Pool
from render.inputs import Prepared, settled_plan
from render.materials import read_materials
from render.media.names import check_output_names
from render.painter import Painter
from render.pipeline import run
from render.pixels import Pixels
from render.settle import settle
from render.spec.job import Job
from render.store import Store

BASE = 10_000
"""Pictures beside which more are held."""
PAINTED, PAINTED_SIDE, EVALUATIONS = 48, 256, 12
"""Pictures that are painted, and how."""
MOST_TIMED = 10_000
"""Pictures of a run whose painting is timed one by one."""
FORETOLD, CREW, LOST_AN_HOUR, TIMES = 100_000, 1000, 0.01, 8
"""Pictures, workers, the share of these lost in an hour, and how often, on the simulated clock."""


@dataclass(frozen=True)
class Scheduled:
    """So many pictures, through the farm.

    Attributes:
        images: how many.
        listed: seconds to write their list and plan.
        seconds: from the moment that all workers were ready to the last picture.
        memory: MB that the driver's process had at most by then.
        again: seconds of the same job once more, with nothing left to do.
    """

    images: int
    listed: float
    seconds: float
    memory: float
    again: float


def measure_farm(images: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure all that there is to measure, as plain data.

    Args:
        images: of the larger set that is only scheduled.
        say: is told what is under way.
    """
    with tempfile.TemporaryDirectory(prefix="render-bench-") as folder:
        place = Path(folder)
        say(f"scheduling {BASE} pictures, then {images}")
        few = schedule(place / "few", BASE)
        many = schedule(place / "many", images)
        say(f"painting {PAINTED} pictures of {PAINTED_SIDE} px alone, with one worker and with two")
        painted = paint(place / "painted")
    return {
        "images": images,
        "images_per_second": round(many.images / many.seconds),
        "driver_growth_mb": round(many.memory - few.memory, 1),
        "time_ratio": round((many.seconds / many.images) / (few.seconds / few.images), 3),
        "seconds_to_list": round(many.listed, 1),
        "seconds_to_continue": round(many.again, 1),
        **painted,
        "simulated": simulated(many.seconds / many.images),
    }


def schedule(folder: Path, images: int) -> Scheduled:
    """Send so many pictures through the farm, two workers, and the finished job once more."""
    (folder / "in").mkdir(parents=True)
    job = _job(folder, "bmp", "passthrough", workers=2)
    begun = time.monotonic()
    source = synthetic(job.input.path, images)
    check_output_names(source, job.output)
    prepared = Prepared(source, read_materials(job), {}, ())
    clock = Clock()
    with Store(job) as store:
        plan = settled_plan(job, prepared, store)
        listed = time.monotonic() - begun
        driver = Driver(job, plan, source, prepared.materials, store, Dropped())
        with connected(job.farm), Pool() as workers:
            driver.run(workers, clock)
        assert len(store.records) == images, "pictures were lost"
    again = time.monotonic()
    summary = run(job)
    assert summary.frames_reused == images, "pictures were forgotten"
    return Scheduled(images, listed, clock.span, _memory(), time.monotonic() - again)


def paint(folder: Path) -> dict[str, Any]:
    """Paint pictures by the engine alone and by one and two workers; what the farm costs and gains."""
    (folder / "in").mkdir(parents=True)
    for number in range(PAINTED):
        picture = Image.fromarray(_picture(number))
        picture.save(folder / "in" / f"{number}.png")
    job = _job(folder, "png", "vgg", workers=1)
    alone = _alone(job)
    spans, works = {}, {}
    for workers in (1, 2):
        output = job.output.model_copy(update={"path": folder / f"out{workers}"})
        farm = job.farm.model_copy(update={"workers": workers})
        clock = Clock()
        run(job.model_copy(update={"output": output, "farm": farm}), on_event=clock)
        spans[workers], works[workers] = clock.span / clock.share, clock.mean
    sizes = [(PAINTED_SIDE, PAINTED_SIDE)] * PAINTED
    foretold = {
        workers: simulate(job, sizes, World(workers, partial(_even, works[workers]))).seconds
        for workers in spans
    }
    return {
        "overhead": round(spans[1] / alone - 1, 4),
        "speedup_2": round(spans[1] / spans[2], 3),
        "seconds_alone": round(alone, 2),
        "seconds_by_workers": {n: round(span, 2) for n, span in spans.items()},
        "simulated_over_real": {n: round(foretold[n] / spans[n], 3) for n in spans},
    }


def simulated(driver: float) -> dict[str, Any]:
    """A large farm on a simulated clock, whose driver takes so many seconds over a picture as here.

    Means over `TIMES` runs of other pictures and losses: what is lost in the last minute of one decides.
    """
    runs = [_simulated_once(driver, seed) for seed in range(TIMES)]
    return {
        "workers": CREW,
        "images": FORETOLD,
        "lost_an_hour": LOST_AN_HOUR,
        "workers_lost": fmean(run.losses for run in runs),
        "seconds": round(fmean(run.seconds for run in runs)),
        "of_ideal": round(fmean(run.efficiency for run in runs), 4),
        "of_ideal_at_least": round(min(run.efficiency for run in runs), 4),
    }


def _simulated_once(driver: float, seed: int) -> Outcome:
    dice = random.Random(seed)
    sizes = []
    for _ in range(FORETOLD):
        side = int(min(2048, max(192, dice.lognormvariate(6.6, 0.5))))
        sizes.append((side, int(side * dice.choice((0.5625, 0.667, 0.75, 1)))))
    unevenly: dict[int, float] = {}

    def seconds(batch: Batch) -> float:
        chance = unevenly.setdefault(batch.frames[0], dice.lognormvariate(0, 0.2))
        return batch.seconds * chance

    world = World(CREW, seconds, LOST_AN_HOUR, load=20.0, driver=driver, seed=seed)
    job = _job(Path("/none"), "png", "vgg", workers=CREW, evaluations=300)
    return simulate(job, sizes, world)


def _even(seconds: float, batch: Batch) -> float:
    return seconds * len(batch.frames)


class Clock:
    """Takes the time of a run, from the moment when its last worker was ready."""

    def __init__(self) -> None:
        self._ready = self._last = 0.0
        self._done: list[tuple[float, float]] = []
        self._each = 0

    def __call__(self, event: Event) -> None:
        """Hear of one event."""
        match event:
            case WorkerReady():
                self._ready = time.monotonic()
            case FrameDone():
                self._last = time.monotonic()
                self._each += 1
                if self._each <= MOST_TIMED:
                    self._done.append((self._last, event.seconds))

    @property
    def span(self) -> float:
        """Seconds."""
        return self._last - self._ready

    @property
    def share(self) -> float:
        """Share of the painting that was done in them: the first worker begins before the last."""
        whole = sum(seconds for _, seconds in self._done)
        late = (min(seconds, max(0.0, end - self._ready)) for end, seconds in self._done)
        return sum(late) / whole

    @property
    def mean(self) -> float:
        """Seconds that a worker took over a picture."""
        return fmean(seconds for _, seconds in self._done)


def _job(
    folder: Path, form: str, engine: str, *, workers: int, evaluations: int = EVALUATIONS
) -> Job:
    style = folder / "style.png"
    if folder.exists():
        Image.fromarray(_picture(-1)).save(style)
    return Job.model_validate(
        {
            "input": {"kind": "images", "path": folder / "in"},
            "output": {"path": folder / "out", "format": form},
            "style": {"images": [{"path": style}]},
            "model": {"weights": "procedural"},
            "optimize": {"evaluations": evaluations},
            "farm": {"workers": workers, "gpus_per_worker": 0},
            "engine": engine,
        }
    )


def _picture(seed: int) -> Pixels:
    """Blots of several sizes."""
    dice = np.random.default_rng(seed + 1)
    picture = np.zeros((PAINTED_SIDE, PAINTED_SIDE, 3))
    for cells in (4, 16, 64):
        coarse = Image.fromarray(dice.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        picture += np.asarray(coarse.resize((PAINTED_SIDE, PAINTED_SIDE)), float) / 3
    return picture.astype(np.uint8)


def _alone(job: Job) -> float:
    """Seconds that the engine takes over the pictures, in a process of its own, as a worker has."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(_paint_alone, job).result()


def _paint_alone(job: Job) -> float:
    device = settle(job.farm.cpus_per_worker, gpu=False)
    materials = read_materials(job)
    painter = Painter(job, materials.styles, device, materials.extras)
    pictures = [_picture(number) for number in range(PAINTED)]
    begun = time.monotonic()
    for number, picture in enumerate(pictures):
        painter.paint(picture, index=number)
    return time.monotonic() - begun


def _memory() -> float:
    """MB that this process had at most."""
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return next(int(words[1]) for words in lines if words[0] == "VmHWM:") / 1024
