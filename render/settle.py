"""How a process computes: the same numbers for the same job, in a worker as in a preview."""

from __future__ import annotations

import os

import cv2
import torch

from render.allocation import keep_memory


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
