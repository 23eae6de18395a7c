"""Work that is done over and over on a GPU, as a CUDA graph.

An evaluation is hundreds of kernels, and for the host to start one takes longer than most of them run. A
graph starts all of them at once: on an H200 an evaluation at 256 px took 16 ms without, 1.2 with, before
there were kernels of our own.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch

FIRST = 2
"""Times that work is done as it is, before it is recorded: libraries set themselves up at first use."""


def repeatable(work: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """The same work, as fast as it can be done many times.

    Args:
        work: changes tensors in place, always the same ones; what the host decides in it is decided for
            all times.
        device: that all its tensors are on.
    """
    return _Replay(work, device) if device.type == "cuda" else work


class _Replay:
    def __init__(self, work: Callable[[], None], device: torch.device) -> None:
        self._work = work
        self._device = device
        self._times = 0
        self._replay: Callable[[], None] | None = None

    def __call__(self) -> None:
        self._times += 1
        if self._times <= FIRST:
            self._work()
            return
        if self._replay is None:
            self._replay = self._recorded()
        self._replay()

    def _recorded(self) -> Callable[[], None]:
        graph = torch.cuda.CUDAGraph()
        try:
            _record(self._work, graph, _pool(self._device))
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            warnings.warn(f"work on the GPU is not recorded, and slower: {error}", stacklevel=2)
            return self._work
        return graph.replay


def _record(work: Callable[[], object], graph: torch.cuda.CUDAGraph, pool: Any) -> None:  # noqa: ANN401
    collecting = gc.isenabled()
    gc.disable()  # what it frees, other graphs among it, would spoil this one
    try:
        # "thread_local": other threads of a worker may do as they like meanwhile.
        with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
            work()
    finally:
        if collecting:
            gc.enable()


@lru_cache
def _pool(device: torch.device) -> Any:  # noqa: ANN401 - a handle, opaque in torch too
    """The memory of all graphs of a device: of those that live, one is replayed at a time.

    It lives as long as one of its graphs, hence one that is never replayed.
    """
    handle = torch.cuda.graph_pool_handle()
    _KEEPERS.append(torch.cuda.CUDAGraph())
    _record(lambda: torch.zeros(1, device=device), _KEEPERS[-1], handle)
    return handle


_KEEPERS: list[torch.cuda.CUDAGraph] = []


def release() -> None:
    """Let go of the memory of all graphs, once none of them lives; the next ones get new memory."""
    _KEEPERS.clear()
    _pool.cache_clear()
