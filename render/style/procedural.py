"""VGG weights made on the spot from a seed: no file, no download, no training.

Each 3×3 filter is a random combination of the nine products of [1 2 1], [-1 0 1] and [1 -2 1] (smooth,
first and second derivative), high derivatives weakened. Then, layer by layer, every channel is
scaled and shifted to zero mean and unit variance before its ReLU over a calibration picture, so that
each passes half of what it sees, as in a trained network. Random features of this kind carry the
statistics of texture nearly as well as trained ones (Ustyuzhaninov et al. 2016 show it for shallow
nets); they recognise no objects.

The same seed gives the same weights on any machine: the draws are uniform numbers made from random
integers, and the calibration runs in float64 with its result rounded to 12 bits.
"""

from __future__ import annotations

from itertools import islice

import torch
from torch import Tensor
from torch.nn import functional

from render.spec.layers import Arch
from render.style.vgg import Convolutions, convolution_names, convolution_shapes

DECAY = 0.2
"""Energy of a derivative of order n + 1 over that of order n."""
CALIBRATION_SIDE = 128
DISCS = 400


def procedural_convolutions(arch: Arch, count: int | None = None, seed: int = 0) -> Convolutions:
    """Weights for `arch`.

    Args:
        arch: which VGG.
        count: how many convolutions from the pixels on; `None`: all. The first ones are the same
            however many are made.
        seed: of all random numbers.
    """
    generator = torch.Generator().manual_seed(seed)
    features = calibration_picture(generator)[None]
    kernels: list[Tensor] = []
    biases: list[Tensor] = []
    layers = zip(convolution_names(arch), convolution_shapes(arch), strict=True)
    for name, (out_channels, in_channels) in islice(layers, count):
        if kernels and name.endswith("_1"):
            features = functional.avg_pool2d(features, 2)
        kernel = _random_kernel(out_channels, in_channels, generator)
        padded = functional.pad(features, (1,) * 4, mode="constant" if kernels else "replicate")
        response = functional.conv2d(padded, kernel)
        scale = _rounded(1 / response.std((0, 2, 3)).clamp_min(1e-12))
        kernel = kernel * scale[:, None, None, None]
        response = response * scale[:, None, None]
        bias = _rounded(-response.mean((0, 2, 3)))
        features = functional.relu(response + bias[:, None, None])
        kernels.append(kernel.float())
        biases.append(bias.float())
    return Convolutions(arch, kernels, biases)


def calibration_picture(generator: torch.Generator) -> Tensor:
    """A "dead leaves" picture (3×S×S, float64): opaque discs of random colour that cover each other.

    Its edges, flat areas and power spectrum are those of photographs (Lee, Mumford & Huang 2001):
    the discs' radii follow a density of r⁻³.
    """
    side = CALIBRATION_SIDE
    grid = torch.arange(side, dtype=torch.float64) + 0.5
    picture = torch.full((3, side, side), 0.5, dtype=torch.float64)
    smallest, largest = 2.0, side / 3
    for row in _uniform((DISCS, 6), generator):
        x, y = (row[:2] * side).tolist()
        u = row[2].item()
        radius = (smallest**-2 + u * (largest**-2 - smallest**-2)) ** -0.5
        inside = (grid[None, :] - x) ** 2 + (grid[:, None] - y) ** 2 < radius**2
        picture = torch.where(inside, row[3:, None, None], picture)
    return picture


def _random_kernel(out_channels: int, in_channels: int, generator: torch.Generator) -> Tensor:
    """C_out×C_in×3×3 in float64, of arbitrary scale."""
    lines = torch.tensor([[1, 2, 1], [-1, 0, 1], [1, -2, 1]], dtype=torch.float64)
    lines = lines / lines.norm(dim=1, keepdim=True)
    order = torch.arange(3, dtype=torch.float64)
    amplitude = DECAY ** ((order[:, None] + order[None, :]) / 2)
    basis = torch.einsum("a b, a y, b x -> a b y x", amplitude, lines, lines).reshape(9, 9)
    weights = 2 * _uniform((out_channels, in_channels, 9), generator) - 1
    return (weights @ basis).reshape(out_channels, in_channels, 3, 3)


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Uniform in [0, 1), from integers, so that no machine's vector unit has a say."""
    return torch.randint(0, 1 << 24, shape, generator=generator).double() / (1 << 24)


def _rounded(values: Tensor) -> Tensor:
    """Rounded to 12 significant bits: far above the noise of float64, far below what shows."""
    mantissa, exponent = torch.frexp(values)
    return torch.ldexp(torch.round(mantissa * 4096) / 4096, exponent)
