"""The forecast held against a real farm, whose workers sleep instead of painting."""

import time
from dataclasses import replace

import pytest

from render.farm import hands
from render.farm.actor import Worker
from render.farm.events import FrameDone, FrameSent
from render.inputs import make_plan
from render.pipeline import run
from render.schedule import in_evaluations, makespans
from render.spec.stages import probe_evaluations

NAP = 0.25
PROBE = 4
"""Naps of a probe."""
WAVES = ("optimize={evaluations: 40, warm_evaluations: 40}", "temporal.stages=2", "input.cuts=[]")
ANCHORS = ("temporal.parallel=anchors", "temporal.segment=4", "temporal.bridge=2", "input.cuts=[]")
SHOTS = ("temporal.parallel=chain", "input.cuts=[4, 8]")

pytestmark = pytest.mark.usefixtures("farm")


class Sleeping(Worker):
    """Takes one time for every stage of a frame, and more with a probe; begins when all others can."""

    def load(self, job, materials):
        self._probes = probe_evaluations(job) > 0
        ready = super().load(job, materials)
        here = job.output.path.parent
        (here / f"{ready.process}.ready").touch()
        while len(list(here.glob("*.ready"))) < job.farm.workers:
            time.sleep(0.02)
        return ready

    def paint(self, task):
        end = time.monotonic() + NAP * (1 + PROBE * (self._probes and task.probe))
        reply = super().paint(task)
        time.sleep(max(0, end - time.monotonic()))
        return reply


@pytest.mark.parametrize(
    ("settings", "workers"), [(WAVES, 1), (WAVES, 2), (ANCHORS, 2), (SHOTS, 2)], ids=str
)
def test_a_run_takes_as_long_as_was_foretold(video_job, monkeypatch, settings, workers):
    monkeypatch.setattr(hands, "Worker", Sleeping)
    monkeypatch.setattr("render.plan.PROBED", 4)
    job = video_job(
        "engine=passthrough", "farm.gpus_per_worker=0", f"farm.workers={workers}", *settings
    )
    times = []

    def watch(event):
        if isinstance(event, FrameSent | FrameDone):
            times.append(time.monotonic())

    assert run(job, on_event=watch).workers == workers
    part = in_evaluations(job, make_plan(job))
    foretold = [replace(part, probe=PROBE)] if settings is WAVES else [part]
    spans = makespans(foretold, [1, workers])
    steps, alone = spans[workers], spans[1]
    assert steps < 0.7 * alone or workers == 1
    assert 0.95 * steps < (times[-1] - times[0]) / NAP < 1.3 * steps + 2
