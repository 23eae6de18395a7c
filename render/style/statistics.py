"""Statistics of features over a picture or a part of it, and distances between them.

C channels, M positions. The *moments* of a layer are its raw second moment F·Fᵀ/M and its mean. Raw
moments of a mixture of pictures are the averages of theirs, so blends of styles and parts of pictures
need no more than weights; covariances are formed afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from render.style.losses import gram, gram_distance, with_gram
from render.style.roots import square_root, trace_of_root

StyleLoss = Literal["gram", "covariance", "wasserstein"]

RIDGE = 1e-3
"""Share of the target's mean square that is added to all variances before the Wasserstein distance.

Roots of flat channels have no slope, and deep layers of small pictures have fewer positions than
channels. It is relative, so that it suits weights of every scale, and above the rounding of float32
moments, at most 512 channels · 6e-8 of their mean square, which would make covariances indefinite."""


@dataclass(frozen=True)
class Moments:
    """What a style loss knows of a layer.

    Attributes:
        second: B×C×C, the mean products of channels, float32 or wider.
        mean: B×C; `None` where the loss is without.
    """

    second: Tensor
    mean: Tensor | None = None


Distance = Callable[[Moments], Tensor]
"""How far moments of a batch are from fixed ones (B)."""


def moments(features: Tensor, loss: StyleLoss, guide: Tensor | None = None) -> Moments:
    """Moments of B×C×H×W features.

    Args:
        features: of one layer.
        loss: what they are for.
        guide: B×1×H×W, what each position counts, see `guides.guide`; `None`: all the same.
    """
    if loss == "gram":
        return Moments(gram(features, guide))
    # Gradients through products and means all but cancel: in half precision what is left is noise, along
    # which a Wasserstein distance does not fall at all.
    wide = features if features.dtype == torch.float64 else features.float()
    second = gram(wide, guide)
    mean = wide.mean((2, 3)) if guide is None else (wide * guide.square()).sum((2, 3))
    return Moments(second, mean)


def joined(loss: StyleLoss, guide: Tensor | None) -> bool:
    """Whether moments hand their gradient on together with that of the features; see `with_products`."""
    return loss == "gram" and guide is None


def with_moments(
    features: Tensor, loss: StyleLoss, guide: Tensor | None = None, *, relu: bool = False
) -> tuple[Tensor, Moments]:
    """The features, to go on with, and their `moments`.

    Args:
        features: of one layer.
        loss: what they are for.
        guide: see `moments`.
        relu: see `with_products`; only for what is `joined`.
    """
    if joined(loss, guide):
        features, second = with_gram(features, relu=relu)
        return features, Moments(second)
    return features, moments(features, loss, guide)


def blend(parts: Sequence[Moments], shares: Sequence[float]) -> Moments:
    """Moments of a mixture, whose `shares` sum to 1."""
    second = torch.stack([n * part.second for part, n in zip(parts, shares, strict=True)]).sum(0)
    means = [n * part.mean for part, n in zip(parts, shares, strict=True) if part.mean is not None]
    return Moments(second, torch.stack(means).sum(0) if means else None)


def nothing(like: Moments) -> Moments:
    """The moments of features that are all zero."""
    mean = None if like.mean is None else torch.zeros_like(like.mean)
    return Moments(torch.zeros_like(like.second), mean)


def _centred(of: Moments) -> tuple[Tensor, Tensor]:
    """Covariance and mean."""
    if of.mean is None:
        raise ValueError("these moments were taken for Gram matrices and hold no mean")
    return of.second - of.mean[:, :, None] * of.mean[:, None, :], of.mean


def gram_loss(target: Moments) -> Distance:
    """Squared distance of Gram matrices Σ(G − A)²; Gatys et al. 2016, eq. 4."""
    return lambda own: gram_distance(own.second, target.second)


def covariance_loss(target: Moments) -> Distance:
    """Σ(C − C')² / Σ C'² + Σ(μ − μ')² / Σ μ'², with covariances C and means μ, primes the target's.

    Gram matrices mix both: where means are large, as after a ReLU, they hide the covariance. Each
    part is divided by what it is worth at a target, because their units differ.
    """
    tiny = torch.finfo(target.second.dtype).tiny
    covariance, mean = _centred(target)
    of_covariance = covariance.square().sum((1, 2)) + tiny
    of_mean = mean.square().sum(1) + tiny

    def distance(own: Moments) -> Tensor:
        c, m = _centred(own)
        spread = (c - covariance).square().sum((1, 2)) / of_covariance
        return spread + (m - mean).square().sum(1) / of_mean

    return distance


def wasserstein_loss(target: Moments) -> Distance:
    """Squared Wasserstein-2 distance of Gaussians over C: |μ − μ'|² + tr(C + C' − 2(C'^½ C C'^½)^½).

    Olkin & Pukelsheim 1982, over features as in crowsonkb's style-transfer-pytorch (where the ridge
    is 1e-4, whatever the scale). The target's root is taken once.
    """
    covariance, mean = _centred(target)
    channels = covariance.shape[-1]
    eye = torch.eye(channels, dtype=covariance.dtype, device=covariance.device)
    ridge = RIDGE * _trace(target.second)[:, None, None] / channels * eye
    covariance = covariance + ridge
    root = square_root(covariance)
    trace = _trace(covariance)

    def distance(own: Moments) -> Tensor:
        c, m = _centred(own)
        c = c + ridge
        cross = trace_of_root(root @ c.to(root.dtype) @ root).to(c.dtype)
        return ((m - mean).square().sum(1) + _trace(c) + trace - 2 * cross) / channels

    return distance


def _trace(matrix: Tensor) -> Tensor:
    return matrix.diagonal(dim1=-2, dim2=-1).sum(-1)


STYLE_LOSSES: Mapping[StyleLoss, Callable[[Moments], Distance]] = {
    "gram": gram_loss,
    "covariance": covariance_loss,
    "wasserstein": wasserstein_loss,
}
"""From the target's moments to the distance from them."""


@dataclass(frozen=True)
class Target:
    """What a layer's moments should become.

    Attributes:
        moments: the target's own.
        loss: how moments are compared with them.
        distance: of moments from them (B).
        size: the distance of nothing at all from them (B): the scale of the layer.
    """

    moments: Moments
    loss: StyleLoss
    distance: Distance
    size: Tensor


def make_target(of: Moments, loss: StyleLoss) -> Target:
    """The target with these moments; what the distance needs of it is worked out once, here."""
    distance = STYLE_LOSSES[loss](of)
    return Target(of, loss, distance, distance(nothing(of)))


StyleTarget = Mapping[str, Target]
"""Target by layer."""
