"""The log of a run: what happened, line by line, over all runs of a job."""

import json
from pathlib import Path

from render.farm.events import FrameRetried, FrameSent, OutputWritten, WorkerLost
from render.farm.log import logged

EVENTS = [
    FrameSent(3, 0, 0, "worker-1"),
    WorkerLost("worker-1", "out of memory"),
    FrameRetried(3, 1, "its worker died: out of memory"),
    OutputWritten(Path("out.mp4"), 12),
]


def test_what_happened_is_written_down_but_for_what_the_ledger_has(tmp_path):
    told = []
    for _ in range(2):
        tell = logged(told.append, tmp_path / "log.jsonl")
        for event in EVENTS:
            tell(event)
    assert told == EVENTS * 2
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["WorkerLost", "FrameRetried", "OutputWritten"] * 2
    assert lines[1]["frame"] == 3
    assert lines[2]["path"] == "out.mp4"
    assert all(line["at"].endswith("+00:00") for line in lines)


def test_a_log_that_cannot_be_written_ends_no_run(tmp_path):
    told = []
    logged(told.append, tmp_path / "nowhere" / "log.jsonl")(EVENTS[1])
    assert told == [EVENTS[1]]
