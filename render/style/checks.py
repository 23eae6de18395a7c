"""What the engine refuses of the tensors that it is given, by the setting or argument that they are."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from render.errors import EngineError
from render.style.objective import Weights


def check_weights(weights: Weights, layers: Collection[str]) -> None:
    """Refuse weights that ask for nothing, or for other layers than those that a network gives."""
    if max(weights.style, weights.content, weights.tv) <= 0:
        raise EngineError("style.weight, content.weight, optimize.tv_weight: all of them are 0")
    if not weights.layers():
        raise EngineError("style.layers, content.layers: no layer has a weight above 0")
    if missing := sorted(weights.layers() - frozenset(layers)):
        raise EngineError(
            f"style.layers, content.layers: the network was made without {missing[0]}"
        )


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


def check_shape(name: str, values: Tensor, shape: torch.Size) -> None:
    """Refuse values of another shape, which would be stretched, or fail far from here."""
    if values.shape != shape:
        found, needed = ("×".join(map(str, each)) for each in (values.shape, shape))
        raise EngineError(f"{name}: {found}; it must be {needed}, as the content is")
