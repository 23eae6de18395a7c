"""Metrics as Prometheus would fetch them from a real Ray."""

import time
import urllib.request

import pytest
import ray

from render.farm.events import FrameDone, FrameFailed, Note, StageDone, WorkerReady
from render.farm.gauges import measured


@pytest.mark.slow
def test_frames_failures_evaluations_and_seconds_can_be_fetched(cluster):
    told = []
    tell = measured(told.append, "clip.mp4")
    events = [
        WorkerReady("worker-1", "node", 1, "cpu", (), 1.0),
        StageDone(3, 0, "worker-1", 30, 4.0),
        FrameDone(3, 0, 0, "worker-1", 1.0, 10, {}),
        FrameFailed(4, "torn"),
    ]
    for event in events:
        tell(event)
    assert told == events
    port = ray.nodes()[0]["MetricsExportPort"]
    wanted = {
        "render_frames_total": 1,
        "render_evaluations_total": 40,
        "render_failures_total": 1,
        "render_workers": 1,
        "render_frame_seconds_count": 1,
    }
    deadline = time.monotonic() + 60
    while True:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
            lines = [
                line
                for line in page.read().decode().splitlines()
                if 'job="clip.mp4"' in line.lower()
            ]
        found = {
            name: float(line.split()[-1])
            for name in wanted
            for line in lines
            if line.split("{")[0] == f"ray_{name}"
        }
        if found == wanted:
            return
        if time.monotonic() > deadline:
            assert found == wanted
        tell(Note("still at work"))
        time.sleep(1)
