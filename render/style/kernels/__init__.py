"""Kernels of our own for NVIDIA GPUs, in Triton, which comes with torch there.

Each does in one pass over memory what takes torch several. Triton's interpreter runs them anywhere, to
hold them against torch. They are compiled once on a machine, which takes some 20 seconds.
"""

from __future__ import annotations

import warnings
from functools import lru_cache

import torch

_OLDEST = 8, 0
"""Compute capability from which on a GPU has products of bfloat16."""


@lru_cache
def kernels_work(device: torch.device) -> bool:
    """Whether kernels can be built for this device, which takes a GPU, Triton and a C compiler."""
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < _OLDEST:
        return False
    try:
        from render.style.kernels import pool  # noqa: PLC0415 - there may be no Triton

        pool.pool(torch.zeros(1, 8, 2, 2, device=device), largest=True, relu=True)
    except Exception as error:
        warnings.warn(f"torch's own kernels are used, which are slower: {error}", stacklevel=2)
        return False
    return True
