"""Names of the layers of VGG-16 and VGG-19, without loading either.

`convN_M` is the M-th convolution of block N, before its ReLU; `reluN_M` the same after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

Arch = Literal["vgg16", "vgg19"]

BLOCKS: Mapping[Arch, tuple[int, ...]] = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
"""Convolutions in each of the five blocks; a 2×2 pooling follows each block but the last."""


def layer_names(arch: Arch) -> tuple[str, ...]:
    """All names that a job may use for `arch`, from the pixels on."""
    return tuple(
        f"{kind}{block}_{conv}"
        for block, convs in enumerate(BLOCKS[arch], start=1)
        for conv in range(1, convs + 1)
        for kind in ("conv", "relu")
    )


def _known_layer(name: str) -> str:
    if name not in layer_names("vgg19"):
        raise PydanticCustomError(
            "layer", "unknown layer", {"allowed": "relu1_1 to relu5_4, or conv1_1 to conv5_4"}
        )
    return name


def _some_weight(layers: dict[str, float]) -> dict[str, float]:
    if not any(layers.values()):
        raise PydanticCustomError(
            "layers", "no weight", {"allowed": "at least one layer with a weight above 0"}
        )
    return layers


LayerWeights = Annotated[
    dict[
        Annotated[
            str,
            AfterValidator(_known_layer),
            Field(json_schema_extra={"enum": [*layer_names("vgg19")]}),
        ],
        Annotated[float, Field(ge=0, allow_inf_nan=False)],
    ],
    AfterValidator(_some_weight),
]
"""Weight by layer name; at least one is above 0."""


def check_layers(arch: Arch, chosen: Mapping[str, Mapping[str, float]]) -> None:
    """Refuse layers that `arch` has not; `chosen` maps `style` and `content` to their layers.

    Raises:
        PydanticCustomError: one is not there; for the use in a model's validator.
    """
    names = layer_names(arch)
    for part, layers in chosen.items():
        for layer in layers:
            if layer not in names:
                raise PydanticCustomError(
                    "layer",
                    "not in this architecture",
                    {
                        "loc": (part, "layers", layer, "[key]"),
                        "allowed": f"a layer of {arch}, whose blocks 1 to 5 have "
                        f"{', '.join(map(str, BLOCKS[arch]))} convolutions",
                    },
                )
