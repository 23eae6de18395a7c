"""How a process computes: the same numbers for the same job, in a worker as in a preview."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import torch

_MXFAST, _TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = 1, -1, -2, -4
"""Parameters of glibc's `mallopt`."""
_KEEPING = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1), (_TOP_PAD, 64 << 20), (_MXFAST, 0))
"""Nothing apart from the heap, which never shrinks, grows in large steps, and joins all that is free."""
_TUNABLES, _NO_CACHE = "GLIBC_TUNABLES", "glibc.malloc.tcache_count=0"


def settle(threads: int, *, gpu: bool) -> torch.device:
    """Make this process compute as the job says and always the same, and choose its device.

    Args:
        threads: that it computes with; another number rounds differently.
        gpu: use a GPU, where torch finds one.
    """
    torch.set_num_threads(threads)
    cv2.setNumThreads(1)
    gpu = gpu and torch.cuda.is_available()
    if gpu:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
    # As `use_deterministic_algorithms` does, which loads a compiler beside it: a second of every start.
    torch.set_deterministic_debug_mode("error")
    # Which would write to everything that is about to be written to, a twentieth of the time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    keep_memory()
    return torch.device("cuda" if gpu else "cpu")


def keep_memory() -> None:
    """Have the C library keep what is freed for what is allocated next, where it is glibc.

    Features of a picture are tens of megabytes, which glibc gives back to the system every time, to
    get pages of zeros for the next ones: at 1024 px that is nearly half of all time on a CPU.

    Torch asks for aligned memory. Glibc takes a little more, cuts it off on both sides, and has its
    cache of small pieces (tcache) hand that out: the place is then a few bytes short for the next of its
    size, which gets a new one. A process that begins with what `tunables` says has no such cache, and
    peaks a tenth lower or more; later it cannot be turned off.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in _KEEPING:
            mallopt(parameter, value)


def tunables() -> dict[str, str]:
    """Environment in which a process that paints on a CPU should begin; what the user has set stays."""
    return {_TUNABLES: os.environ.get(_TUNABLES, _NO_CACHE)}


@contextmanager
def beginning_tuned() -> Iterator[None]:
    """Processes that are started meanwhile begin with `tunables`."""
    before = os.environ.get(_TUNABLES)
    os.environ.update(tunables())
    try:
        yield
    finally:
        if before is None:
            del os.environ[_TUNABLES]
