"""A run as Prometheus metrics, which Ray serves on every node: see Ray's `--metrics-export-port`."""

from __future__ import annotations

from ray.util.metrics import Counter, Gauge, Histogram

from render.farm.events import (
    Event,
    FrameDone,
    FrameFailed,
    FrameRetried,
    OnEvent,
    StageDone,
    WorkerLost,
    WorkerReady,
)

SECONDS = [0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000]
"""Bounds of the histogram of seconds a frame."""


def measured(on_event: OnEvent, job: str) -> OnEvent:
    """Counts every event under the job's name and hands it on; Ray must be running."""
    # Ray's tags are ASCII, and names of files are not, nor always text.
    keys, of_job = ("job",), {"job": job.encode("ascii", "backslashreplace").decode()}
    frames = Counter("render_frames", "Frames that are finished.", keys)
    evaluations = Counter("render_evaluations", "Evaluations of loss and gradient.", keys)
    failures = Counter("render_failures", "Attempts that failed, by kind.", ("job", "kind"))
    seconds = Histogram("render_frame_seconds", "Seconds a frame.", SECONDS, keys)
    workers = Gauge("render_workers", "Workers that have loaded their model.", keys)
    for each in (frames, evaluations, failures, seconds, workers):
        each.set_default_tags(of_job)
    crew: set[str] = set()
    spent: dict[int, float] = {}  # seconds of the earlier stages of frames under way

    def count(event: Event) -> None:
        match event:
            case StageDone():
                if event.evaluations:
                    evaluations.inc(event.evaluations)
                spent[event.frame] = spent.get(event.frame, 0.0) + event.seconds
            case FrameDone():
                frames.inc()
                if event.evaluations:
                    evaluations.inc(event.evaluations)
                seconds.observe(spent.pop(event.frame, 0.0) + event.seconds)
            case FrameRetried():
                failures.inc(tags={"kind": "retried"})
            case FrameFailed():
                failures.inc(tags={"kind": "set aside"})
            case WorkerReady():
                crew.add(event.worker)
            case WorkerLost():
                crew.discard(event.worker)
                failures.inc(tags={"kind": "worker"})
        workers.set(len(crew))  # every time: Ray forgets a gauge once it has been fetched
        on_event(event)

    return count
