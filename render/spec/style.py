"""What the result should look like and what it should still show: the job's artistic half."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from render.spec.base import AnyJobPath, Model
from render.spec.layers import LayerWeights

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class StyleImage(Model):
    """One style picture and its share among several."""

    path: AnyJobPath
    """The picture; its transparent areas do not count."""
    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """Share in the blend; the shares of all style pictures are scaled to sum to 1."""


class Region(Model):
    """A region of the content and what it is painted like."""

    content: AnyJobPath
    """Mask picture of the region: white is in it, black is not, grey partly. For one mask a frame a
    name with the frame's index, such as `masks/sky_%06d.png`."""
    image: Annotated[int, Field(ge=0)] | None = None
    """Which of `style.images` it is painted like, counted from 0; empty: the blend of all."""
    style: AnyJobPath | None = None
    """Mask picture of the part of that style picture that counts; empty: all of it."""
    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """How strongly the style shows here, beside the other regions."""


class Style(Model):
    """What the result should look like it was painted with."""

    images: Annotated[tuple[StyleImage, ...], Field(min_length=1)]
    """The style pictures; the statistics of several are blended by their weights."""
    layers: LayerWeights = Field(default={f"relu{block}_1": 0.2 for block in range(1, 6)})
    """Weight of each layer in the style loss: `reluN_M` after, `convN_M` before its ReLU."""
    weight: Weight = 4.0
    """Weight of the style loss beside the content loss; means the same at every size."""
    loss: Literal["gram", "covariance", "wasserstein"] = "gram"
    """What is compared: Gram matrices (Gatys); means and covariances of features, each for itself; or
    the Wasserstein-2 distance of the Gaussians with those means and covariances."""
    scale: Annotated[float, Field(gt=0, le=4)] = 1.0
    """Size of the style pictures' long side over that of the result (never enlarged beyond 1:1)."""
    regions: tuple[Region, ...] = ()
    """Regions of the content bound to style pictures or parts of them; what no region covers keeps
    its content. Empty: the whole picture is painted in the blend of all styles."""
    feather: Share = 0.01
    """Width over which the edges of regions are softened, as a share of the picture's long side."""

    @model_validator(mode="after")
    def _regions_name_images(self) -> Self:
        for number, region in enumerate(self.regions):
            if region.image is not None and region.image >= len(self.images):
                raise PydanticCustomError(
                    "region",
                    "no such style picture",
                    {
                        "loc": ("style", "regions", number, "image"),
                        "allowed": f"an index of style.images, 0 to {len(self.images) - 1}",
                    },
                )
            if region.style is not None and region.image is None and len(self.images) > 1:
                raise PydanticCustomError(
                    "region",
                    "a part of which style picture?",
                    {
                        "loc": ("style", "regions", number, "style"),
                        "allowed": "a mask beside `image`, which says of which picture it is",
                    },
                )
        return self


class Content(Model):
    """What the result should still show of the original."""

    layers: LayerWeights = Field(default={"relu4_2": 1.0})
    """Weight of each layer in the content loss. With procedural weights relu1_2: 1 and relu4_2: 3
    unless the job says otherwise, because their deep layers alone hold no small forms."""
    weight: Weight = 1.0
    """Weight of the content loss."""
    colours: Literal["auto", "own", "style"] = "auto"
    """Colours that the content is matched in: its `own`, or moved to the palette of the `style` first.
    `auto` is `style` for procedural weights, which cannot tell form from colour, else `own`."""


class Colour(Model):
    """Whose colours the result has."""

    keep: Literal["none", "luminance", "palette", "histogram"] = "none"
    """How the content's colours are kept: `luminance`: only light and dark are painted, the hues stay;
    `palette`: the style pictures are moved to the content's mean and covariance of colours first
    (Gatys et al. 2016); `histogram`: the painted result is moved to the content's histogram."""
    strength: Share = 1.0
    """From 0, the colours of the styles, to 1, the colours of the content."""
