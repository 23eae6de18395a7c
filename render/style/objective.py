"""The objective of one scale: what the optimiser evaluates.

    loss = content_weight · Σ_l w_l · mean(F_l − P_l)² / spread(P_l)
         + style_weight   · Σ_r a_r · Σ_l w_l · D(S_l,r, A_l,r) / D(S_l,r(content), A_l,r)
         + tv_weight · TV(x) + temporal_weight · Σ m·(x − w)² / D

F, P the features of the picture x and of the content, S their statistics over region r with its share
a_r of all regions together, A the style target, D its distance (of Gram matrices: ‖G − A‖²), m and w the
reliability mask and the warped previous result; the w_l are scaled to sum to 1. Departing from Gatys et
al., every layer's term is divided by what it is worth at the content itself: each style layer then
starts at 1 whatever its size, depth, and scale of weights, and the same numbers in a job mean the same
at 256 px and at 2160 px.

The other form, `neural-style`, is jcjohnson's: no such division, and the w_l as they are.

    loss = content_weight · Σ_l w_l · mean(F_l − P_l)² + tv_weight · ½Σ(squared neighbour differences)
         + style_weight · Σ_l w_l · mean over C² of (G_l/C − A_l/C)² + temporal_weight · Σ m·(x − w)² / D

with the last two in the pixels that the network was trained with: 0 to 255 for the Caffe weights that
its settings are made for. There it multiplies by 256, and pixels differ from ours by 0.4%.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor
from torch.nn import functional

from render.style.guides import guide, shares
from render.style.losses import (
    content_distance,
    masked_distance,
    spread,
    summed_variation,
    total_variation,
)
from render.style.statistics import StyleTarget, Target, joined, moments, with_moments
from render.style.vgg import Vgg

Form = Literal["normalized", "neural-style"]

BAND = 8
"""Pixels beyond the edge of a clear area that are painted too, to be cut off: at an edge between what is
painted and what stays, noise would be left."""
_NEGLIGIBLE = 1e-3
"""A content whose statistics are nearer to the target than this share is not divided by less."""


@dataclass(frozen=True)
class Weights:
    """Weights of the terms.

    In the normalised form the layers' weights are relative to each other, in neural-style's they count
    as they are.
    """

    style_layers: Mapping[str, float]
    style: float
    content_layers: Mapping[str, float]
    content: float
    tv: float = 0.0
    temporal: float = 0.0
    form: Form = "normalized"

    def layers(self) -> frozenset[str]:
        """All layers with a weight above 0."""
        both = (self.style_layers, self.content_layers)
        return frozenset(name for layers in both for name, weight in layers.items() if weight > 0)


@dataclass(frozen=True)
class Pull:
    """What the temporal loss pulls towards.

    Attributes:
        target: B×3×H×W, the previous result, warped.
        mask: B×1×H×W, from 0 to 1.
        still: B×1×H×W, true where the picture must stay as it starts; `None`: nowhere.
    """

    target: Tensor
    mask: Tensor
    still: Tensor | None = None


@dataclass(frozen=True)
class Region:
    """A part of the picture and what it should be like.

    Attributes:
        style: the target.
        area: B×1×H×W, from 0 to 1, or `None`: the whole picture.
        weight: of this region beside the others.
    """

    style: StyleTarget
    area: Tensor | None = None
    weight: float = 1.0


@dataclass(frozen=True)
class _StyleTerm:
    """One layer over one region."""

    layer: str
    target: Target
    factor: Tensor
    guide: Tensor | None


@dataclass(frozen=True)
class _ContentTerm:
    """One layer over what is not clear."""

    layer: str
    target: Tensor
    factor: Tensor
    guide: Tensor | None


class Objective:
    """Losses and gradients of a batch of pictures of one size; a closure for `minimize`.

    Args:
        vgg: the network, which has all layers of `weights`.
        weights: of the terms.
        style: targets for the regions of the picture; one without an area for the whole.
        content: B×3×H×W, 0 to 1; its measure is taken here, once.
        pull: what the temporal loss pulls towards.
        opaque: B×1×H×W, 0 where the picture is clear: there nothing counts, and more than `BAND`
            pixels inside it nothing moves.
    """

    def __init__(
        self,
        vgg: Vgg,
        weights: Weights,
        style: Sequence[Region],
        content: Tensor,
        pull: Pull | None = None,
        opaque: Tensor | None = None,
    ) -> None:
        self.shape = content.shape
        self._vgg, self._weights, self._pull = vgg, weights, pull
        self._fixed: Tensor | None = None
        whole = content.new_ones(len(content))  # for what is counted over all of the canvas
        if weights.form == "neural-style":
            whole *= vgg.unit**2
        elif opaque is not None:
            whole /= opaque.mean((1, 2, 3)).clamp_min(1e-6)  # clear surroundings change nothing
        self._tv, self._temporal = (weight * whole for weight in (weights.tv, weights.temporal))
        if opaque is not None:
            self._fixed = functional.max_pool2d(opaque, 2 * BAND + 1, 1, BAND) <= 0
        if pull is not None and pull.still is not None:
            self._fixed = pull.still if self._fixed is None else self._fixed | pull.still
        with torch.no_grad():
            features = vgg.features(content)
            self._content = [
                self._content_term(name, share, features[name], opaque)
                for name, share in self._shares(weights.content_layers).items()
            ]
            self._style = [
                self._style_term(name, share, features[name], region.style[name], area, part)
                for region, area, part in _parts(style, content, opaque)
                for name, share in self._shares(weights.style_layers).items()
            ]
        self._masking = frozenset(
            term.layer
            for term in self._style
            if term.layer.startswith("relu") and joined(term.target.loss, term.guide)
        )

    @property
    def kind(self) -> Hashable:
        """The same for objectives of one stylizer that differ in their pictures alone."""
        style = tuple(id(term.target) for term in self._style)
        there = tuple(tensor is not None for tensor in self._numbers())
        return id(self._vgg), id(self._weights), tuple(self.shape), style, there

    def become(self, other: Self) -> None:
        """Take over the pictures of another one of this kind, in place."""
        for own, its in zip(self._numbers(), other._numbers(), strict=True):
            if own is not None and its is not None:
                own.copy_(its)

    def _numbers(self) -> list[Tensor | None]:
        """Whatever depends on the pictures."""
        pull = (None, None) if self._pull is None else (self._pull.target, self._pull.mask)
        content = [(term.target, term.factor, term.guide) for term in self._content]
        style = [(term.factor, term.guide) for term in self._style]
        parts = [part for term in content + style for part in term]
        return [*pull, self._fixed, self._tv, self._temporal, *parts]

    def _shares(self, layers: Mapping[str, float]) -> dict[str, float]:
        total = sum(layers.values()) if self._weights.form == "normalized" else 1.0
        return {name: weight / total for name, weight in layers.items() if weight > 0}

    def _content_term(
        self, name: str, share: float, features: Tensor, opaque: Tensor | None
    ) -> _ContentTerm:
        where = _guide(opaque, features)
        own = spread(features, where)
        scale = own.clamp_min(1e-6) if self._weights.form == "normalized" else torch.ones_like(own)
        return _ContentTerm(name, features, self._weights.content * share / scale, where)

    def _style_term(
        self,
        name: str,
        share: float,
        features: Tensor,
        target: Target,
        area: Tensor | None,
        part: Tensor | float,
    ) -> _StyleTerm:
        where = _guide(area, features)
        if self._weights.form == "normalized":
            distance = target.distance(moments(features, target.loss, where))
            tiny = torch.finfo(distance.dtype).tiny
            scale = torch.maximum(distance, _NEGLIGIBLE * target.size + tiny)
        else:
            # Twice 1/C for the squared 1/C of the matrices, twice for the mean over C² numbers.
            scale = target.size.new_full((len(features),), float(features.shape[1]) ** 4)
        return _StyleTerm(name, target, self._weights.style * share * part / scale, where)

    def __call__(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Losses (B) and gradients (B×N) at B×N points, N = 3·H·W."""
        pixels = points.detach().view(self.shape).requires_grad_()
        with torch.enable_grad():
            loss = self.loss(pixels)
            (gradient,) = torch.autograd.grad(loss, pixels, torch.ones_like(loss))
        if self._fixed is not None:
            gradient = gradient.masked_fill(self._fixed, 0.0)
        return loss.detach(), gradient.reshape(points.shape)

    def loss(self, pixels: Tensor) -> Tensor:
        """The loss (B) of B×3×H×W pixels."""
        _, factors, distances = zip(*self._measured(pixels), strict=True)
        return (torch.stack(factors) * torch.stack(distances)).sum(0)

    def terms(self, pixels: Tensor) -> dict[str, Tensor]:
        """The weighted parts of the loss (B each) by name: content, style, tv, temporal."""
        terms: dict[str, Tensor] = {}
        for name, factor, distance in self._measured(pixels):
            part = factor * distance
            terms[name] = terms[name] + part if name in terms else part
        return terms

    def _measured(self, pixels: Tensor) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Name, factor and distance (B each) of what the loss is made of."""
        style: list[tuple[str, Tensor, Tensor]] = []

        def watch(name: str, features: Tensor) -> Tensor:
            for term in self._style:
                if term.layer == name:
                    features, own = with_moments(
                        features, term.target.loss, term.guide, relu=name in self._masking
                    )
                    style.append(("style", term.factor, term.target.distance(own)))
            return features

        features = self._vgg.features(pixels, watch, self._masking)
        for term in self._content:
            distance = content_distance(features[term.layer], term.target, term.guide)
            yield "content", term.factor, distance
        yield from style
        if self._weights.tv > 0:
            exact = self._weights.form == "neural-style"
            variation = summed_variation(pixels) if exact else total_variation(pixels)
            yield "tv", self._tv, variation
        if self._pull is not None and self._weights.temporal > 0:
            yield (
                "temporal",
                self._temporal,
                masked_distance(pixels, self._pull.target, self._pull.mask),
            )


def _parts(
    style: Sequence[Region], content: Tensor, opaque: Tensor | None
) -> list[tuple[Region, Tensor | None, Tensor | float]]:
    """Each region with the area over which its statistics are taken, and its share of the loss."""
    if len(style) == 1 and style[0].area is None:
        return [(style[0], opaque, style[0].weight)]
    whole = torch.ones_like(content[:, :1]) if opaque is None else opaque
    areas = [whole if region.area is None else region.area * whole for region in style]
    return [
        (region, area, region.weight * share)
        for region, area, share in zip(style, areas, shares(areas), strict=True)
    ]


def _guide(area: Tensor | None, features: Tensor) -> Tensor | None:
    if area is None:
        return None
    wide = torch.float64 if features.dtype == torch.float64 else torch.float32
    return guide(area.to(wide), features.shape[-2], features.shape[-1])
