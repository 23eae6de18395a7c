"""A run as Prometheus metrics, which Ray serves on every node: see Ray's `--metrics-export-port`."""

from __future__ import annotations

from ray.util.metrics import Counter, Gauge, Histogram

from render.farm.events import (
    Event,
    FrameDone,
    FrameFailed,
    FrameRetried,
    OnEvent,
    WorkerLost,
    WorkerReady,
)

SECONDS = [0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000]
"""Bounds of the histogram of seconds a frame."""


def measured(on_event: OnEvent) -> OnEvent:
    """Counts every event and hands it on; Ray must be running."""
    frames = Counter("render_frames_total", "Frames that are finished.")
    evaluations = Counter("render_evaluations_total", "Evaluations of loss and gradient.")
    failures = Counter("render_failures_total", "Attempts that failed.", tag_keys=("kind",))
    seconds = Histogram("render_frame_seconds", "Seconds that a frame took.", boundaries=SECONDS)
    workers = Gauge("render_workers", "Workers that have loaded their model.")
    crew: set[str] = set()

    def count(event: Event) -> None:
        match event:
            case FrameDone():
                frames.inc()
                if event.evaluations:
                    evaluations.inc(event.evaluations)
                seconds.observe(event.seconds)
            case FrameRetried():
                failures.inc(tags={"kind": "retried"})
            case FrameFailed():
                failures.inc(tags={"kind": "set aside"})
            case WorkerReady() | WorkerLost():
                (crew.add if isinstance(event, WorkerReady) else crew.discard)(event.worker)
                workers.set(len(crew))
                if isinstance(event, WorkerLost):
                    failures.inc(tags={"kind": "worker"})
        on_event(event)

    return count
