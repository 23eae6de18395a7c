"""What L-BFGS has learnt of a frame, on its way from one stage to the next: packed as it is committed.

A search that begins anew wastes its first evaluations on finding out how far to go. In stages of eight
the newest two pairs make good nearly all that is lost, and a byte a number is enough: pairs are taken
as they come, and any with positive curvature are sound, if not exact.
"""

from __future__ import annotations

import torch
from safetensors.torch import load, save
from torch import Tensor

REACH = 8.0
"""Largest number that a byte holds, over the root mean square of its vector; what is beyond is cut."""


def pack_pairs(pairs: Tensor) -> bytes:
    """Curvature pairs of one problem, 1×m×2×N, in a byte a number: the same bytes for the same pairs."""
    unit = pairs.square().mean(-1, keepdim=True).sqrt() * (REACH / 127)
    whole = (pairs / unit.clamp_min(torch.finfo(pairs.dtype).tiny)).round().clamp(-127, 127)
    return save({"numbers": whole.to(torch.int8).cpu(), "units": unit.cpu()})


def unpack_pairs(data: bytes) -> Tensor:
    """What `pack_pairs` packed, 1×m×2×N, float32."""
    held = load(data)
    return held["numbers"].float() * held["units"]
