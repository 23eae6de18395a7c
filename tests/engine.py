"""The engine as tests use it: small pictures, a shallow network."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from render.style.budget import Budget
from render.style.objective import Weights
from render.style.procedural import procedural_convolutions
from render.style.pyramid import resize, to_tensor
from render.style.stylizer import Stylizer
from render.style.targets import StylePicture, Styles
from render.style.vgg import Vgg

CPU = torch.device("cpu")
ASSETS = Path(__file__).parents[1] / "jobs" / "assets"
WEIGHTS = Weights({"relu1_1": 1.0, "relu2_1": 1.0}, 10.0, {"relu2_2": 1.0}, 1.0, temporal=20.0)


def picture(width, height, seed):
    generator = torch.Generator().manual_seed(seed)
    return resize(torch.rand(1, 3, 9, 9, generator=generator), width, height)


def asset(name):
    return to_tensor(np.array(Image.open(ASSETS / name).convert("RGB")), CPU)


def photo(name):
    return resize(asset(name), 64, 48)


@cache
def network(precision):
    """The network in a precision, by its name."""
    return Vgg(
        procedural_convolutions("vgg16"),
        WEIGHTS.layers(),
        pooling="average",
        device=CPU,
        precision=getattr(torch, precision),
    )


def styles_of(vgg, blend=(1.0,), seed=10, loss="gram", bindings=()):
    pictures = [StylePicture(picture(80, 60, seed + n), share) for n, share in enumerate(blend)]
    return Styles(vgg, WEIGHTS.style_layers, loss, pictures, bindings)


def stylizer(vgg, styles=None, weights=WEIGHTS, settings=None, **budget):
    wanted = {"evaluations": 20, "warm_evaluations": 5, **budget}
    return Stylizer(vgg, weights, styles or styles_of(vgg), Budget(**wanted), **settings or {})
