"""Work that is recorded on a GPU, here with stand-ins for graphs: what is done, and when."""

import gc

import pytest
import torch

from render.style import replay
from render.style.replay import FIRST, repeatable

CUDA = torch.device("cuda")


class Graph:
    """Recorded work that says when it is replayed."""

    def __init__(self):
        self.replays = 0

    def replay(self):
        self.replays += 1


@pytest.fixture
def graphs(monkeypatch):
    """Graphs made, and what came of recording."""
    made = []

    def make():
        made.append(Graph())
        return made[-1]

    monkeypatch.setattr(torch.cuda, "CUDAGraph", make)
    monkeypatch.setattr(replay, "_pool", lambda device: None)
    monkeypatch.setattr(replay, "_record", lambda work, graph, pool: work())
    return made


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_elsewhere_the_work_is_done_as_it_is(device):
    def work():
        pass

    assert repeatable(work, torch.device(device)) is work


def test_it_is_recorded_once_and_replayed_from_then_on(graphs):
    done = []
    work = repeatable(lambda: done.append(1), CUDA)
    for _ in range(FIRST):
        work()
    assert (len(done), len(graphs)) == (FIRST, 0)
    for _ in range(5):
        work()
    assert len(done) == FIRST + 1  # the last to record it
    assert [graph.replays for graph in graphs] == [5]


def failing(monkeypatch, error):
    def record(work, graph, pool):
        raise error

    monkeypatch.setattr(replay, "_record", record)
    done = []
    work = repeatable(lambda: done.append(1), CUDA)
    for _ in range(FIRST):
        work()
    return work, done


def test_what_cannot_be_recorded_is_done_all_the_same_and_said(graphs, monkeypatch):
    work, done = failing(monkeypatch, RuntimeError("operation not permitted"))
    with pytest.warns(UserWarning, match="slower: operation not permitted"):
        work()
    work()
    assert len(done) == FIRST + 2
    assert [graph.replays for graph in graphs] == [0]


def test_too_little_memory_is_for_others_to_mend(graphs, monkeypatch):
    work, done = failing(monkeypatch, torch.OutOfMemoryError("out of memory"))
    with pytest.raises(torch.OutOfMemoryError):
        work()
    assert len(done) == FIRST


def test_nothing_is_collected_while_work_is_recorded(monkeypatch):
    """A graph that is freed meanwhile spoils the one that is recorded."""
    seen = []

    class Recording:
        def __init__(self, graph, **how):
            seen.append(how["capture_error_mode"])

        def __enter__(self):
            seen.append(gc.isenabled())

        def __exit__(self, *error):
            seen.append(gc.isenabled())

    monkeypatch.setattr(torch.cuda, "graph", Recording)
    replay._record(lambda: seen.append(gc.isenabled()), Graph(), None)
    assert seen == ["thread_local", False, False, False]
    assert gc.isenabled()
