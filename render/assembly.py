"""From a job and the pictures that it names to the engine: a `Stylizer` on a device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from render.errors import EngineError
from render.pixels import Pixels
from render.spec.job import Job
from render.spec.url import AnyPath
from render.style.budget import Budget
from render.style.keeping import Keeping
from render.style.objective import Weights
from render.style.pooling import Pooling
from render.style.pyramid import resize, to_tensor
from render.style.starts import Start
from render.style.stylizer import Stylizer
from render.style.targets import Binding, StylePicture, Styles
from render.style.vgg import Vgg, smallest_side
from render.weights import load_convolutions

Mask = npt.NDArray[np.uint8]
"""H×W, 0 to 255."""

_SAME_SHAPE = 0.02
"""Pictures whose sides' ratios differ by no more than this share have one shape."""


@dataclass(frozen=True)
class Extras:
    """Pictures that a job names beside its style pictures.

    Attributes:
        alphas: of each style picture, its alpha or `None` if it is solid; empty: all are solid.
        parts: of each region, the mask over its style picture or `None`; empty: none has one.
        start: the picture that `optimize.start` names.
    """

    alphas: Sequence[Mask | None] = ()
    parts: Sequence[Mask | None] = ()
    start: Pixels | None = None


def build_stylizer(
    job: Job, pictures: Sequence[Pixels], device: torch.device, extras: Extras
) -> Stylizer:
    """The engine of a job.

    Args:
        job: what to paint and how.
        pictures: those of `job.style.images`, H×W×3 each.
        device: where to compute.
        extras: other pictures that the job names.

    Raises:
        WeightsError: the model cannot be loaded.
        EngineError: a picture is missing or does not fit.
    """
    weights = _weights(job)
    vgg = Vgg(
        load_convolutions(job.model, weights.layers()),
        weights.layers(),
        pooling=_pooling(job),
        device=device,
        precision=_precision(job, device),
        border="zeros" if job.objective == "neural-style" else "replicate",
    )
    return Stylizer(
        vgg,
        weights,
        _styles(job, vgg, pictures, extras),
        _budget(job),
        repaint=_repaint(job),
        start=_start(job, extras, device),
        keeping=Keeping(job.colour.keep, job.colour.strength),
        feather=job.style.feather,
    )


def scales_of(
    job: Job, width: int, height: int, evaluations: int
) -> list[tuple[tuple[int, int], int]]:
    """Size (width, height) and evaluations of each scale, the coarsest first, of a first frame."""
    return _budget(job).steps(_weights(job).layers(), width, height, evaluations)


def smallest_side_of(job: Job) -> int:
    """Shortest side of a picture, in pixels, that can be painted."""
    return smallest_side(_weights(job).layers())


def fastest_precision(device: torch.device) -> torch.dtype:
    """bfloat16 where it is multiplied faster: NVIDIA from Ampere on, CPUs with AMX or AVX-512 BF16."""
    if device.type == "cuda":
        fast = torch.cuda.get_device_capability(device) >= (8, 0)
    else:
        fast = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if fast else torch.float32


def mask_tensor(mask: Mask, width: int, height: int, name: str, device: torch.device) -> Tensor:
    """A mask as a 1×1×height×width tensor from 0 to 1.

    Raises:
        EngineError: it has another shape; the message calls it `name`.
    """
    check_shape(mask.shape[1], mask.shape[0], width, height, name)
    tensor = torch.from_numpy(np.ascontiguousarray(mask)).to(device)[None, None].float() / 255
    return resize(tensor, width, height)


def check_shape(width: int, height: int, wanted_width: int, wanted_height: int, name: str) -> None:
    """Refuse a picture that is not of the wanted shape, whatever its size.

    Raises:
        EngineError: it is not; the message calls it `name`.
    """
    # A pixel more or less is rounding, of large pictures a little more.
    slack = max(_SAME_SHAPE * width * wanted_height, wanted_width, wanted_height)
    if abs(width * wanted_height - height * wanted_width) > slack:
        raise EngineError(
            f"{name}: a picture of {width}×{height} does not fit one of "
            f"{wanted_width}×{wanted_height}; it may be larger or smaller, but of the same shape"
        )


def _weights(job: Job) -> Weights:
    return Weights(
        style_layers=job.style.layers,
        style=job.style.weight,
        content_layers=job.content.layers if job.content.weight > 0 else {},
        content=job.content.weight,
        tv=job.optimize.tv_weight,
        temporal=job.temporal.weight,
        form=job.objective,
    )


def _styles(job: Job, vgg: Vgg, pictures: Sequence[Pixels], extras: Extras) -> Styles:
    device = vgg.device
    given = []
    alphas = extras.alphas or [None] * len(pictures)
    for number, (image, pixels, alpha) in enumerate(
        zip(job.style.images, pictures, alphas, strict=True)
    ):
        height, width = pixels.shape[:2]
        name = f"style.images.{number}"
        solid = None if alpha is None else mask_tensor(alpha, width, height, name, device)
        given.append(StylePicture(to_tensor(pixels, device), image.weight, solid))
    bindings = []
    regions = job.style.regions
    parts = extras.parts or [None] * len(regions)
    for number, (region, part) in enumerate(zip(regions, parts, strict=True)):
        name = f"style.regions.{number}.style"
        if region.style is not None and part is None:
            raise EngineError(f"{name}: the mask was not read")
        chosen = 0 if part is not None and region.image is None else region.image
        mask = None
        if part is not None and chosen is not None:
            height, width = pictures[chosen].shape[:2]
            mask = mask_tensor(part, width, height, name, device)
        bindings.append(Binding(chosen, mask, region.weight))
    layers = [name for name, weight in job.style.layers.items() if weight > 0]
    return Styles(vgg, layers, job.style.loss, given, bindings, job.style.scale)


def _start(job: Job, extras: Extras, device: torch.device) -> Start:
    if not isinstance(job.optimize.start, AnyPath):
        return job.optimize.start
    if extras.start is None:
        raise EngineError("optimize.start: the picture was not read")
    return to_tensor(extras.start, device)


def _budget(job: Job) -> Budget:
    optimize = job.optimize
    scales = optimize.scales
    return Budget(
        optimize.evaluations,
        optimize.warm_evaluations,
        optimize.history,
        optimize.tolerance,
        optimize.optimizer,
        optimize.learning_rate,
        scales if isinstance(scales, int) else None,
        scales if isinstance(scales, tuple) else None,
        optimize.scale_factor,
        optimize.warm_tolerance,
    )


def _repaint(job: Job) -> bool:
    if job.content.colours != "auto":
        return job.content.colours == "style"
    return job.model.weights == "procedural" and job.objective == "normalized"


def _pooling(job: Job) -> Pooling:
    if job.model.pooling != "auto":
        return job.model.pooling
    return "average" if job.model.weights == "procedural" else "max"


def _precision(job: Job, device: torch.device) -> torch.dtype:
    if job.model.precision != "auto":
        return torch.float32 if job.model.precision == "float32" else torch.bfloat16
    return fastest_precision(device)
