"""Painted frames carried along the motion, and put together to what another frame is pulled towards.

Pulls towards several pictures need no terms of their own in the objective: for every pixel

    Σ_j c_j (x − w_j)² = C (x − w)² + a constant,   C = Σ_j c_j,   w = Σ_j c_j w_j / C
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from render.motion.detail import energy_map, keep_detail, with_energy
from render.motion.paths import Motion
from render.motion.warp import warp
from render.pixels import FloatMap


@dataclass(frozen=True)
class Carried:
    """A picture to be pulled towards.

    Attributes:
        picture: H×W×3, 0 to 1.
        mask: H×W, 0 to 1, how far it can be trusted.
    """

    picture: FloatMap
    mask: FloatMap


def carry(picture: FloatMap, motion: Motion, wanted: FloatMap | None) -> Carried:
    """A picture (H×W×3, 0 to 1) carried to where a motion comes from, with its detail kept.

    Args:
        picture: of the frame that the motion leads to.
        motion: from the frame that it is carried to.
        wanted: see `keep_detail`.
    """
    warped = warp(picture, motion.flow)
    return Carried(keep_detail(warped, picture, motion.flow, motion.mask, wanted), motion.mask)


def nearest_first(carried: Sequence[Carried]) -> Carried:
    """Put pictures together, each only where none before it can be trusted.

    The long-term loss of Ruder et al. (2016): the mask of each, less what those before cover.
    """
    total = np.zeros_like(carried[0].mask)
    weighted = np.zeros_like(carried[0].picture)
    for each in carried:
        share = np.maximum(each.mask - total, 0)
        weighted += share[..., None] * each.picture
        total += share
    safe = np.maximum(total, np.finfo(np.float32).tiny)[..., None]
    picture = np.where(total[..., None] > 0, weighted / safe, carried[0].picture)
    return Carried(np.asarray(picture, np.float32), total)


def led(past: Carried, future: Carried, share: float) -> Carried:
    """The past moved by a share of the way to the future; either alone where only it can be trusted.

    A blend of two textures has less contrast than each of them. It is brought to their gradient
    energy again.
    """
    of_past, of_future = past.mask * (1 - share), future.mask * share
    total = of_past + of_future
    part = np.divide(of_future, total, out=np.zeros_like(total), where=total > 0)
    blend = past.picture + part[..., None] * (future.picture - past.picture)
    mask = np.maximum(past.mask, future.mask)
    wanted = (1 - part) * energy_map(past.picture) + part * energy_map(future.picture)
    return Carried(with_energy(blend, mask, float((wanted * mask).sum(dtype=np.float64))), mask)
