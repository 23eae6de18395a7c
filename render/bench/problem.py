"""What both paint: one picture, one style, one network, with the settings that a job has by default."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor
from torch.nn import functional

from render.bench.reference import Reference
from render.sample.fruit import fruit
from render.sample.swirls import swirls
from render.spec.job import Optimize
from render.spec.layers import Arch
from render.spec.style import Content, Style
from render.style.budget import Budget
from render.style.objective import Objective, Region, Weights
from render.style.pooling import Pooling
from render.style.procedural import procedural_convolutions
from render.style.pyramid import to_tensor
from render.style.stylizer import MARGIN, Stylizer
from render.style.targets import StylePicture, Styles
from render.style.vgg import (
    Convolutions,
    Vgg,
    convolution_names,
    convolution_shapes,
    depth,
)

ARCH: Arch = "vgg19"
POOLING: Pooling = "max"
WEIGHTS = Weights(
    style_layers=Style.model_fields["layers"].default,
    style=Style.model_fields["weight"].default,
    content_layers=Content.model_fields["layers"].default,
    content=Content.model_fields["weight"].default,
    tv=Optimize.model_fields["tv_weight"].default,
)
HISTORY: int = Optimize.model_fields["history"].default
SMALLEST = 64
"""Side of the smallest canvas, in pixels: every layer has features, and the margin has room."""


@dataclass(frozen=True)
class Problem:
    """One picture to be painted.

    Attributes:
        convolutions: procedural, because speed does not depend on what a network has learnt; padded
            with zeros, as trained ones are.
        canvas: 1×3×S×S, what goes through the network: the content and its mirrored margin.
        content: 1×3×h×w, the canvas without its margin.
        style: 1×3×h×w, a style picture of the same size.
        precision: of the engine's convolutions.
    """

    convolutions: Convolutions
    canvas: Tensor
    content: Tensor
    style: Tensor
    precision: torch.dtype

    @property
    def size(self) -> int:
        """Side of the canvas."""
        return self.canvas.shape[-1]

    def reference(self) -> Reference:
        """The plain program at this picture."""
        return Reference(self.convolutions, WEIGHTS, self.style, self.canvas, POOLING)

    def stylizer(self) -> Stylizer:
        """The engine as a job would have it."""
        vgg = Vgg(
            self.convolutions,
            WEIGHTS.layers(),
            pooling=POOLING,
            device=self.canvas.device,
            precision=self.precision,
        )
        layers = [name for name, weight in WEIGHTS.style_layers.items() if weight > 0]
        styles = Styles(vgg, layers, "gram", [StylePicture(self.style)])
        return Stylizer(vgg, WEIGHTS, styles, Budget(evaluations=100, warm_evaluations=10))

    def objective(self, stylizer: Stylizer) -> Objective:
        """What the engine evaluates at the last scale."""
        (target,) = stylizer.styles.targets(max(self.content.shape[-2:]))
        return Objective(stylizer.vgg, WEIGHTS, [Region(target)], self.canvas)


def convolutions() -> Convolutions:
    """The network of every problem."""
    return procedural_convolutions(ARCH, depth(ARCH, WEIGHTS.layers()))


def problem(
    network: Convolutions, size: int, device: torch.device, precision: torch.dtype
) -> Problem:
    """The problem whose canvas has `size` pixels a side."""
    side = size - 2 * MARGIN
    content = to_tensor(fruit(side, side), device)
    canvas = functional.pad(content, (MARGIN,) * 4, "reflect")
    return Problem(network, canvas, content, to_tensor(swirls(side, side), device), precision)


def operations(size: int) -> int:
    """Multiplications and additions of one evaluation, by convolutions and Gram matrices alone.

    A layer's convolution costs as much again backward, towards its input; so does a Gram matrix
    F·Fᵀ, whose gradient is a symmetric matrix times F.
    """
    total = 0
    count = depth(ARCH, WEIGHTS.layers())
    layers = zip(convolution_names(ARCH), convolution_shapes(ARCH), strict=True)
    for name, (outputs, inputs) in islice(layers, count):
        positions = (size >> (int(name[4]) - 1)) ** 2
        total += 2 * 2 * 9 * inputs * outputs * positions
        for layer in (name, "relu" + name[4:]):
            if WEIGHTS.style_layers.get(layer, 0) > 0:
                total += 2 * 2 * outputs**2 * positions
    return total
