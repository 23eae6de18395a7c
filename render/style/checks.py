"""What the engine refuses of the tensors that it is given, by the settings that they come from."""

from __future__ import annotations

import torch
from torch import Tensor

from render.errors import EngineError


def check_finite(name: str, values: Tensor, what: str = "the picture") -> None:
    """Refuse numbers that are not finite; on a GPU this waits for it."""
    if not bool(torch.isfinite(values).all()):
        raise EngineError(f"{name}: {what} holds numbers that are not finite")


def check_mask(name: str, mask: Tensor, picture: Tensor) -> None:
    """Refuse a mask that is not of its picture's height and width, or not finite."""
    (height, width), (rows, columns) = picture.shape[-2:], mask.shape[-2:]
    if (rows, columns) != (height, width):
        raise EngineError(
            f"{name}: a mask of {columns}×{rows} for a picture of {width}×{height}; they must have one "
            "size"
        )
    check_finite(name, mask, "the mask")


def check_like(name: str, values: Tensor, content: Tensor) -> None:
    """Refuse a batch of another shape than the content: it would be stretched, or fail far from here."""
    if values.shape != content.shape:
        raise EngineError(
            f"{name}: {'×'.join(map(str, values.shape))} for a content of "
            f"{'×'.join(map(str, content.shape))}; they must have one shape"
        )
