"""Style pictures, and the targets that are made of them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from render.errors import EngineError
from render.style.checks import check_finite, check_mask
from render.style.colour import Palette, blend_palettes, filled, palette
from render.style.guides import guide
from render.style.pyramid import fit_size, resize
from render.style.statistics import (
    Moments,
    StyleLoss,
    StyleTarget,
    blend,
    make_target,
    moments,
)
from render.style.vgg import Convolutions, Vgg, smallest_side

_PALETTE_SIDE = 256
"""Long side at which recoloured style pictures are measured: colours need no detail."""
_MOST_KEPT = 32
"""Sizes of style pictures whose moments a process keeps for its next job, and sizes of results whose
targets a job keeps; some megabytes each."""

_kept: WeakKeyDictionary[Convolutions, OrderedDict[object, Mapping[str, Moments]]] = (
    WeakKeyDictionary()
)
"""Moments by network, and by all else that they depend on; those that were used last at the end."""


@dataclass(frozen=True)
class StylePicture:
    """A style picture.

    Attributes:
        pixels: 1×3×H×W, 0 to 1.
        share: in a blend, relative to the others'.
        opaque: 1×1×H×W, 0 where the picture is clear and does not count; `None`: it is solid.
    """

    pixels: Tensor
    share: float = 1.0
    opaque: Tensor | None = None


@dataclass(frozen=True)
class Binding:
    """What a region of the content is painted like.

    Attributes:
        image: number of the style picture; `None`: the blend of all.
        part: 1×1×H×W over that picture, what of it counts; `None`: all of it.
        weight: of the region beside others.
    """

    image: int | None = None
    part: Tensor | None = None
    weight: float = 1.0


Recolour = Callable[[int, Tensor, Tensor | None], Tensor]
"""From the number of a region, a style picture (1×3×H×W) and the area of it that counts (1×1×H×W) to
what the picture is there (B×3×H×W)."""


@dataclass(frozen=True)
class _Source:
    """A style picture, or a part of it, as one of those that a region is painted like.

    Attributes:
        pixels: 1×3×H×W.
        area: 1×1×H×W, what of it counts; `None`: all of it.
        share: in the region's blend; the shares of a region sum to 1.
        digest: of what is in pixels and area.
        number: of the style picture.
    """

    pixels: Tensor
    area: Tensor | None
    share: float
    digest: str
    number: int

    def resized(self, size: tuple[int, int]) -> tuple[Tensor, Tensor | None]:
        """Pixels and area at a width and height."""
        return resize(self.pixels, *size), None if self.area is None else resize(self.area, *size)


class Styles:
    """Style pictures bound to regions, and their targets, made once for every size.

    What they are made of is kept from one job of a process to the next, by what is in the pictures.

    Args:
        vgg: the network.
        layers: of the style loss.
        loss: what is compared.
        pictures: at least one.
        bindings: one for each region; none: the whole picture is one, in the blend of all.
        scale: long side of the style pictures over that of the result.

    Raises:
        EngineError: a picture or a part of it holds nothing that counts, or numbers that are not finite,
            or a mask is not of its picture's size.
    """

    def __init__(
        self,
        vgg: Vgg,
        layers: Collection[str],
        loss: StyleLoss,
        pictures: Sequence[StylePicture],
        bindings: Sequence[Binding] = (),
        scale: float = 1.0,
    ) -> None:
        self.bindings = tuple(bindings) or (Binding(),)
        self.regions = len(bindings)
        self._vgg = vgg
        self._layers = tuple(layers)
        self._loss = loss
        self._scale = scale
        _check(pictures, bindings)
        self._sources = [_sources(each, pictures, vgg.device) for each in self.bindings]
        self._cache: OrderedDict[tuple[int, bool], list[StyleTarget]] = OrderedDict()
        for number, sources in enumerate(self._sources):
            for each in sources:
                if each.area is not None and each.area.max() <= 0:
                    raise EngineError(
                        f"style.regions.{number}: nothing of its style picture counts; the mask is "
                        "black"
                        if bindings
                        else f"style.images.{each.number}: the picture is clear everywhere"
                    )

    def palettes(self, recolour: Recolour | None = None) -> list[Palette]:
        """The palette of each region's style."""
        return [
            blend_palettes(
                [palette(*_measured(number, each, recolour)) for each in sources],
                [each.share for each in sources],
            )
            for number, sources in enumerate(self._sources)
        ]

    def targets(
        self, long_side: int, recolour: Recolour | None = None, *, coarse: bool = False
    ) -> list[StyleTarget]:
        """The target of each region for results of this long side.

        Kept for the next call, unless style pictures are recoloured for each content.

        Args:
            long_side: of the result, in pixels.
            recolour: what becomes of the style pictures first.
            coarse: whether a finer scale follows. A style picture that is too small there for the
                layers, being wide or of a small scale, is shown as large as they need; else it is
                refused.

        Raises:
            EngineError: a style picture is too small for the layers.
        """
        numbers = range(len(self.bindings))
        if recolour is not None:
            return [self._target(n, long_side, recolour, coarse=coarse) for n in numbers]
        key = long_side, coarse
        if key not in self._cache:
            self._cache[key] = [self._target(n, long_side, None, coarse=coarse) for n in numbers]
            if len(self._cache) > _MOST_KEPT:
                self._cache.popitem(last=False)
        self._cache.move_to_end(key)
        return self._cache[key]

    def _target(
        self, number: int, long_side: int, recolour: Recolour | None, *, coarse: bool
    ) -> StyleTarget:
        sources = self._sources[number]
        least = smallest_side(self._layers)
        found = []
        for each in sources:
            width, height = each.pixels.shape[-1], each.pixels.shape[-2]
            size = fit_size(width, height, long_side * self._scale)
            if coarse and min(size) < least:
                size = fit_size(width, height, least * max(width, height) / min(width, height))
            if min(size) < least:
                raise EngineError(
                    f"style.images.{each.number}: at {size[0]}×{size[1]} it is too small for "
                    f"style.layers, which need {least} pixels a side; give a larger one, or raise "
                    f"style.scale or output.size"
                )
            found.append(
                self._known(each, size)
                if recolour is None
                else self._moments(*_recoloured(recolour, number, each, size))
            )
        shares = [each.share for each in sources]
        return {
            name: make_target(blend([of[name] for of in found], shares), self._loss)
            for name in self._layers
        }

    def _known(self, source: _Source, size: tuple[int, int]) -> Mapping[str, Moments]:
        """The moments of a style picture at a size, if they are not known from an earlier job."""
        kept = _kept.setdefault(self._vgg.convolutions, OrderedDict())
        key = (self._vgg.variant, self._layers, self._loss, source.digest, size)
        if key not in kept:
            kept[key] = self._moments(*source.resized(size))
            if len(kept) > _MOST_KEPT:
                kept.popitem(last=False)
        kept.move_to_end(key)
        return kept[key]

    def _moments(self, pixels: Tensor, area: Tensor | None) -> Mapping[str, Moments]:
        found = {}
        with torch.no_grad():
            features = self._vgg.features(pixels)
            for name in self._layers:
                of = features[name]
                seen = None if area is None else guide(area, of.shape[-2], of.shape[-1])
                found[name] = moments(of, self._loss, seen)
        return found


def _recoloured(
    recolour: Recolour, number: int, source: _Source, size: tuple[int, int]
) -> tuple[Tensor, Tensor | None]:
    """Pixels and area of a source of a region at a size (width, height)."""
    pixels, area = source.resized(size)
    return recolour(number, pixels, area), area


def _measured(
    number: int, source: _Source, recolour: Recolour | None
) -> tuple[Tensor, Tensor | None]:
    """What a palette is measured of."""
    if recolour is None:
        return source.pixels, source.area
    size = fit_size(source.pixels.shape[-1], source.pixels.shape[-2], _PALETTE_SIDE)
    return _recoloured(recolour, number, source, size)


def _check(pictures: Sequence[StylePicture], bindings: Sequence[Binding]) -> None:
    """Refuse numbers that are not finite, and masks that do not fit."""
    for number, picture in enumerate(pictures):
        check_finite(f"style.images.{number}", picture.pixels)
        if picture.opaque is not None:
            check_mask(f"style.images.{number}: its alpha", picture.opaque, picture.pixels)
    for number, binding in enumerate(bindings):
        if binding.part is None:
            continue
        for image in _images(binding, pictures):
            check_mask(f"style.regions.{number}.style", binding.part, pictures[image].pixels)


def _images(binding: Binding, pictures: Sequence[StylePicture]) -> Sequence[int]:
    """Numbers of the style pictures that a region is painted like."""
    return range(len(pictures)) if binding.image is None else [binding.image]


def _sources(
    binding: Binding, pictures: Sequence[StylePicture], device: torch.device
) -> list[_Source]:
    """What a region is painted like."""
    numbers = _images(binding, pictures)
    total = sum(pictures[number].share for number in numbers)
    found = []
    for number in numbers:
        picture = pictures[number]
        masks = [mask.to(device) for mask in (picture.opaque, binding.part) if mask is not None]
        area = torch.stack(masks).prod(0) if masks else None
        pixels = picture.pixels.to(device)
        if picture.opaque is not None:
            pixels = filled(pixels, picture.opaque.to(device))
        share = picture.share / total
        found.append(_Source(pixels, area, share, _digest(pixels, area), number))
    return found


def _digest(*tensors: Tensor | None) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        if tensor is None:
            digest.update(b"none")
        else:
            digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()
