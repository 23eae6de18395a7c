"""VGG-16 and VGG-19 as far down as the chosen layers: pixels in, features out.

Written with plain convolutions instead of torchvision's module, because features are wanted before
and after each ReLU, the paddings differ, and everything below the deepest chosen layer is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from render.errors import EngineError
from render.spec.layers import BLOCKS, Arch, layer_names
from render.style.convolution import Relu, convolution
from render.style.first import Border, first_convolution
from render.style.pooling import Pooling, pooled


@dataclass(frozen=True, eq=False)
class Convolutions:
    """The weights of the feature layers, whatever they came from; the same only as itself.

    Attributes:
        arch: which VGG.
        kernels: one C_out×C_in×3×3 tensor for each convolution from the pixels on; they expect RGB
            from 0 to 1, any normalisation being folded into the first.
        biases: one C_out tensor for each.
        zero: the RGB pixel, 0 to 1, that is nought to the network as it was trained.
        unit: what 1 in our pixels is in those that the network was trained with.
    """

    arch: Arch
    kernels: Sequence[Tensor]
    biases: Sequence[Tensor]
    zero: tuple[float, float, float] = (0.5, 0.5, 0.5)
    unit: float = 1.0


def convolution_names(arch: Arch) -> tuple[str, ...]:
    """`conv1_1`, `conv1_2`, ... in the order of `Convolutions.kernels`."""
    return tuple(name for name in layer_names(arch) if name.startswith("conv"))


def convolution_shapes(arch: Arch) -> tuple[tuple[int, int], ...]:
    """(C_out, C_in) of each convolution."""
    channels = [3]
    for block, count in enumerate(BLOCKS[arch]):
        channels += [min(64 << block, 512)] * count
    return tuple(zip(channels[1:], channels, strict=False))


def depth(arch: Arch, layers: Collection[str]) -> int:
    """Number of convolutions down to the deepest of `layers`.

    Raises:
        EngineError: there are none, or `arch` has not all of them.
    """
    if not layers:
        raise EngineError("a network of no layer was asked for")
    unknown = sorted(set(layers) - set(layer_names(arch)))
    if unknown:
        raise EngineError(f"{arch} has no layer {unknown[0]}")
    names = convolution_names(arch)
    return 1 + max(names.index("conv" + layer[4:]) for layer in layers)


def smallest_side(layers: Collection[str]) -> int:
    """Shortest picture side, in pixels, at which every layer still has two features a side."""
    return 2 << (max(int(layer[4]) for layer in layers) - 1)


class Vgg:
    """A frozen VGG that returns the features of some layers.

    Args:
        convolutions: the weights.
        layers: the layers that will be asked for.
        pooling: between blocks; Gatys et al. propose `average` for painting; `l2` is the root of the
            mean square.
        device: where it computes.
        precision: of the convolutions; features come out in it.
        border: what the first convolution sees outside the picture. `zeros`, as in training, are the
            mean colour, and show as a frame; so `replicate`, unless features must be exact. The deeper
            ones see zeros. Repeated features would let a pixel at the edge count for all those
            outside: an optimiser then moves the edge to what the whole picture lacks.
    """

    def __init__(
        self,
        convolutions: Convolutions,
        layers: Collection[str],
        *,
        pooling: Pooling,
        device: torch.device,
        precision: torch.dtype = torch.float32,
        border: Border = "replicate",
    ) -> None:
        wanted = depth(convolutions.arch, layers)
        self.layers = frozenset(layers)
        self.device = device
        self.precision = precision
        self.unit = convolutions.unit
        self.convolutions = convolutions
        self.variant = (device, precision, pooling, border)
        self._pooling = pooling
        self._lasts = frozenset(
            f"conv{block}_{count}" for block, count in enumerate(BLOCKS[convolutions.arch], start=1)
        )
        names = convolution_names(convolutions.arch)[:wanted]
        layers_of_it = zip(names, convolutions.kernels, convolutions.biases, strict=False)
        zero = convolutions.zero if border == "zeros" else None
        self._steps = [
            (
                name,
                first_convolution(kernel, bias, device, precision, zero)
                if name == names[0]
                else partial(convolution(kernel, bias, device, precision), padding=1),
            )
            for name, kernel, bias in layers_of_it
        ]

    def features(
        self,
        pixels: Tensor,
        watch: Callable[[str, Tensor], Tensor] = lambda _, features: features,
        masking: Collection[str] = (),
    ) -> Mapping[str, Tensor]:
        """Features of the chosen layers.

        Args:
            pixels: B×3×H×W, RGB from 0 to 1.
            watch: given each chosen layer's name and features as they come about; what it returns takes
                their place.
            masking: those whose `watch` makes 0 of the gradient where features are 0, so that their
                ReLU need not.

        Returns:
            B×C×h×w by layer name, in the network's precision.

        Raises:
            EngineError: the picture is too small for the layers.
        """
        side = smallest_side(self.layers)
        if min(pixels.shape[-2:]) < side:
            raise EngineError(
                f"a picture of {pixels.shape[-1]}×{pixels.shape[-2]} is too small for the chosen "
                f"layers, which need {side} pixels a side"
            )
        features: dict[str, Tensor] = {}

        x = pixels
        left = False
        for index, (conv, convolve) in enumerate(self._steps):
            if index > 0 and conv.endswith("_1"):
                x = pooled(x, self._pooling, relu=left)
            relu = "relu" + conv[4:]
            # The largest of four features stays the largest: a quarter of the ReLUs will do.
            left = self._pooling == "max" and conv in self._lasts and not {conv, relu} & self.layers
            if conv in self.layers:
                features[conv] = x = watch(conv, convolve(x, relu="none"))
                x = functional.relu(x)
            else:
                kind: Relu = "features" if relu in masking else "left" if left else "done"
                x = convolve(x, relu=kind)
            if relu in self.layers:
                features[relu] = x = watch(relu, x)
        return features
