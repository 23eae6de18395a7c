"""What a person sees of a run."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from render.farm.events import (
    FrameDone,
    FrameFailed,
    FrameSent,
    OutputWritten,
    RunStarted,
    WorkerLost,
    WorkerReady,
)
from render.progress import Display


@pytest.fixture
def shown():
    """A display that writes into a log, and the log."""
    log = io.StringIO()
    return Display(Console(file=log, width=200)), log


def lines(screen):
    """What a terminal was sent, without its control codes and empty lines."""
    plain = re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", screen.getvalue())
    return [line for line in re.split(r"[\r\n]+", plain) if line.strip()]


def done(frame, worker="worker-1"):
    return FrameDone(frame, 0, 0, worker, 1.0, 10, {"style": 1.0})


def test_it_says_what_each_worker_paints(shown):
    display, _ = shown
    for frame, worker in ((3, "worker-1"), (4, "worker-1"), (9, "worker-2")):
        display(FrameSent(frame, 0, 0, worker))
    assert display.doing() == "worker-1: frame 3, worker-2: frame 9"
    display(done(3))
    assert display.doing() == "worker-1: frame 4, worker-2: frame 9"
    display(WorkerLost("worker-2", "gone"))
    assert display.doing() == "worker-1: frame 4"
    display(FrameSent(4, 0, 0, "worker-1"))  # once more, after a fault
    display(done(4))
    assert display.doing() == "worker-1: waiting"


def test_of_many_workers_it_names_the_first_few(shown):
    display, _ = shown
    for number in range(20):
        display(FrameSent(number, 0, 0, f"worker-{number}"))
    assert display.doing().endswith("worker-3: frame 3, and 16 more")


def test_reused_frames_do_not_make_the_time_left_look_short(shown, monkeypatch):
    display, log = shown
    now = iter([100.0, 110.0, 110.0])
    monkeypatch.setattr("render.progress.time.monotonic", lambda: next(now, 110.0))
    display(RunStarted(100, 98, 1, 1, Path("out")))
    display(done(98))
    assert "99/100 frames" in log.getvalue()
    assert "0:00:10 left" in log.getvalue()


def test_time_left_goes_by_evaluations_since_first_frames_take_more_than_later_ones(
    shown, monkeypatch
):
    display, log = shown
    now = iter([100.0])
    monkeypatch.setattr("render.progress.time.monotonic", lambda: next(now, 110.0))
    display(RunStarted(11, 0, 1, 1, Path("out"), evaluations=40 + 10 * 10))
    display(FrameDone(0, 0, 0, "worker-1", 1.0, 40, {}))
    assert "4.0 evaluations/s, 0:00:25 left" in log.getvalue()


def test_it_counts_by_shot_and_in_all(shown):
    display, log = shown
    display(RunStarted(9, 2, 2, 2, Path("out"), by_shot=((4, 2), (5, 0))))
    display(done(2))
    assert "3/9 frames, shot 1/2: 3/4" in log.getvalue()


def test_failures_are_told_as_they_happen_whatever_is_in_them(shown):
    display, log = shown
    display(FrameFailed(7, "[bold]no such[/] file"))
    assert "frame 7 is set aside: [bold]no such[/] file" in log.getvalue()


def test_the_time_left_is_seen_on_a_terminal_of_80_columns():
    screen = io.StringIO()
    console = Console(file=screen, width=80, force_terminal=True, color_system=None)
    with Display(console) as display:
        display(RunStarted(280, 0, 2, 2, Path("out"), by_shot=((140, 0), (140, 0))))
        for number in range(8):
            display(FrameSent(number, 0, 0, f"worker-{number}"))
        for frame in range(120):
            display(done(frame))
    line, workers = lines(screen)[-2:]
    assert line.startswith("shot 1/2: 120/140")
    assert line.rstrip().endswith(" left")
    assert workers.startswith("worker-0: frame 0, worker-1: ")
    assert len(line) <= 80
    assert len(workers) <= 80


def test_the_bar_ends_with_the_time_that_all_took(monkeypatch):
    screen, now = io.StringIO(), iter([100.0])
    monkeypatch.setattr("render.progress.time.monotonic", lambda: next(now, 3829.4))
    console = Console(file=screen, width=80, force_terminal=True, color_system=None)
    with Display(console) as display:
        display(RunStarted(1, 0, 1, 1, Path("out")))
        display(WorkerReady("worker-1", "here", 1, "cpu", (), 2.0))
        display(done(0))
        display(OutputWritten(Path("out.mp4"), 1))
    last = lines(screen)[-1]
    assert last.startswith("finished")
    assert "1/1 in 1:02:09" in last
    assert "worker" not in last


def test_cells_of_a_study_are_told_by_name_and_their_workers_greeted_once(shown):
    display, log = shown
    for cell in ("swirls", "facets"):
        display(WorkerReady("worker-1", "here", 1, "cpu", (), 2.0))
        display(FrameSent(0, 0, 0, "worker-1", cell))
        assert display.doing() == f"worker-1: frame 0 of cell {cell}"
        display(replace(done(0), cell=cell))
    assert log.getvalue().count("is ready") == 1


def test_at_the_end_it_says_where_the_result_is_and_the_report_if_there_is_one(shown, tmp_path):
    display, log = shown
    display(RunStarted(1, 0, 1, 1, tmp_path))
    display(OutputWritten(tmp_path / "out.mp4", 1))
    assert "wrote " in log.getvalue()
    assert "its report is" not in log.getvalue()
    (tmp_path / "report.html").touch()
    display(OutputWritten(tmp_path / "out.mp4", 1))
    assert f"its report is {tmp_path}/report.html" in log.getvalue()
