"""Optical flow by torchvision's RAFT."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from render.errors import WeightsError
from render.motion.flow import LARGEST_SIDE
from render.motion.paths import FlowOf
from render.pixels import FloatMap, Pixels
from render.weights import read_state

SMALLEST_SIDE = 128
"""RAFT compares pictures at an eighth and four halvings of that."""


def load_raft(path: Path, device: torch.device) -> FlowOf:
    """RAFT with the weights of a file, to be used like `estimate_flow`.

    Teed and Deng, "RAFT: Recurrent All-Pairs Field Transforms for Optical Flow" (2020), in
    torchvision's large form with 12 updates. Pictures are measured at no more than `LARGEST_SIDE`
    pixels and at sides that divide by 8, as it wants them, and the flow is scaled.

    Raises:
        WeightsError: the file holds something else.
    """
    from torchvision.models.optical_flow import raft_large  # noqa: PLC0415 - takes seconds to load

    model = raft_large(progress=False)
    try:
        model.load_state_dict(dict(read_state(path, "temporal.flow_weights")))
    except RuntimeError as error:
        raise WeightsError(
            f"temporal.flow_weights: {path} is no state dict of torchvision's raft_large"
        ) from error
    model.eval().to(device)

    def flow(source: Pixels, target: Pixels) -> FloatMap:
        height, width = source.shape[:2]
        size = measured_size(width, height)
        with torch.no_grad():
            found = model(*(_tensor(each, size, device) for each in (source, target)))[-1]
        measured = found[0].permute(1, 2, 0).cpu().numpy()
        scale = np.array([width / size[0], height / size[1]], np.float32)
        resized = cv2.resize(measured, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(resized * scale, np.float32)

    return flow


def measured_size(width: int, height: int) -> tuple[int, int]:
    """Width and height at which pictures of `width` × `height` are measured."""
    scale = min(1.0, LARGEST_SIDE / max(width, height))
    sides = (max(SMALLEST_SIDE, 8 * round(side * scale / 8)) for side in (width, height))
    return next(sides), next(sides)


def _tensor(picture: Pixels, size: tuple[int, int], device: torch.device) -> Tensor:
    """1×3×H×W from -1 to 1."""
    shrinks = size[0] * size[1] < picture.shape[0] * picture.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = np.ascontiguousarray(cv2.resize(picture, size, interpolation=how))
    return torch.from_numpy(resized).to(device).permute(2, 0, 1)[None].float() / 127.5 - 1
