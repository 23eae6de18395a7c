"""Where the network's weights come from: torchvision, a file, or thin air."""

from __future__ import annotations

import hashlib
import re
import socket
import urllib.error
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from render.errors import WeightsError
from render.spec.job import ModelSpec
from render.spec.layers import Arch
from render.style.procedural import procedural_convolutions
from render.style.vgg import Convolutions, convolution_shapes, depth

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)
CAFFE_ZERO = (123.68 / 255, 116.779 / 255, 103.939 / 255)
CAFFE_FILES = ("d01eb7cb", "00b39a1b")
"""First digits of the SHA-256 of the well-known Caffe conversions of VGG-19 and VGG-16."""


def load_convolutions(spec: ModelSpec, layers: Collection[str]) -> Convolutions:
    """The weights that `spec` asks for, any normalisation of pixels folded into the first layer.

    The last ones are kept: a worker's next job most often asks for the same.

    Args:
        spec: which network, and where its weights come from.
        layers: the layers that will be asked for; what lies deeper may be left out.

    Raises:
        WeightsError: they cannot be had, or are those of something else.
    """
    path = fetch_weights(spec)
    if path is None:
        return _procedural(spec.arch, depth(spec.arch, layers))
    encoding = spec.encoding
    if encoding == "auto":
        known_caffe = spec.weights != "imagenet" and _digest(path).startswith(CAFFE_FILES)
        encoding = "caffe" if known_caffe else "rgb"
    about = path.stat()
    return _from_file(path, spec.arch, encoding, (about.st_mtime_ns, about.st_size))


_procedural = lru_cache(maxsize=1)(procedural_convolutions)


@lru_cache(maxsize=1)
def _from_file(path: Path, arch: Arch, encoding: str, _state: tuple[int, int]) -> Convolutions:
    kernels, biases = _matching(_read(path), arch, path)
    fold = _fold_caffe if encoding == "caffe" else _fold_rgb
    kernels[0], biases[0] = fold(kernels[0], biases[0])
    caffe = encoding == "caffe"
    return Convolutions(
        arch,
        kernels,
        biases,
        padding="zeros",
        zero=CAFFE_ZERO if caffe else IMAGENET_MEAN,
        unit=255.0 if caffe else 3 / sum(IMAGENET_STD),
    )


def fetch_weights(spec: ModelSpec) -> Path | None:
    """The file that holds the weights, downloaded if need be; `None` for procedural weights.

    Raises:
        WeightsError: the file is missing, or cannot be downloaded.
    """
    if spec.weights == "procedural":
        return None
    if isinstance(spec.weights, Path):
        if not spec.weights.is_file():
            raise WeightsError(f"model.weights: no file at {spec.weights}")
        return spec.weights
    from torchvision.models import get_model_weights  # noqa: PLC0415 - takes seconds to load

    url = get_model_weights(spec.arch).DEFAULT.url
    path = Path(torch.hub.get_dir(), "checkpoints", url.rsplit("/", 1)[-1])
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        digits = path.stem.rsplit("-", 1)[-1]
        try:
            torch.hub.download_url_to_file(url, str(path), hash_prefix=digits, progress=False)
        except (urllib.error.URLError, OSError, RuntimeError) as error:
            raise WeightsError(
                f"the ImageNet weights of {spec.arch} cannot be downloaded ({error}). Three ways out: "
                f"fetch {url} on a machine with network and put it at {path}; set model.weights to "
                f"the path of a state dict; or set model.weights to procedural"
            ) from error
    return path


def weights_digest(spec: ModelSpec) -> str | None:
    """SHA-256 of the file that holds the weights; `None` for procedural weights.

    Raises:
        WeightsError: as `fetch_weights`.
    """
    path = fetch_weights(spec)
    return None if path is None else _digest(path)


def check_weights(spec: ModelSpec, digest: str | None) -> None:
    """Refuse weights on this machine that are not those with the digest.

    Raises:
        WeightsError: they differ, or cannot be had here.
    """
    ours = weights_digest(spec)
    if ours != digest:
        raise WeightsError(
            f"model.weights: {fetch_weights(spec)} on {socket.gethostname()} is another file than "
            f"the driver's (SHA-256 {str(ours)[:12]} there, {str(digest)[:12]} here); copy one to all"
        )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path) -> Mapping[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        # Never weights_only=False: a pickle may run anything.
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, UnpicklingError, SafetensorError) as error:
        first_line = (
            str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        )
        raise WeightsError(f"model.weights: {path} is no state dict ({first_line})") from error
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(f"model.weights: {path} is no state dict: tensors by name are wanted")
    return state


def _matching(
    state: Mapping[str, Tensor], arch: Arch, path: Path
) -> tuple[list[Tensor], list[Tensor]]:
    """The convolutions in `state`, by the numbers in their names, held against `arch`."""
    named = {
        int(match[1]): key
        for key in state
        if (match := re.fullmatch(r"(?:.*\.)?(\d+)\.weight", key)) and state[key].ndim == 4
    }
    keys = [named[number] for number in sorted(named)]
    found = tuple(tuple(state[key].shape) for key in keys)
    wanted = tuple((*shape, 3, 3) for shape in convolution_shapes(arch))
    if found != wanted:
        raise WeightsError(
            f"model.weights: {path} does not hold the feature layers of {arch}: {len(found)} "
            f"convolutions found, {len(wanted)} of certain shapes wanted; is model.arch right?"
        )
    kernels = [state[key].float() for key in keys]
    try:
        biases = [state[key.removesuffix("weight") + "bias"].float() for key in keys]
    except KeyError as error:
        raise WeightsError(f"model.weights: {path} lacks {error.args[0]}") from error
    if not all(bool(torch.isfinite(tensor).all()) for tensor in (*kernels, *biases)):
        raise WeightsError(f"model.weights: {path} holds numbers that are not finite")
    return kernels, biases


def _fold_rgb(kernel: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Fold (x − mean) / std into a first layer that expects torchvision's normalised RGB.

    Exact at the borders too, since the first layer replicates them.
    """
    mean = torch.tensor(IMAGENET_MEAN)[:, None, None]
    kernel = kernel / torch.tensor(IMAGENET_STD)[:, None, None]
    return kernel, bias - (kernel * mean).sum((1, 2, 3))


def _fold_caffe(kernel: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Fold 255·x − mean, in BGR, into a first layer that expects Caffe's pixels."""
    mean = torch.tensor(CAFFE_MEAN_BGR)[:, None, None]
    bias = bias - (kernel * mean).sum((1, 2, 3))
    return 255 * kernel.flip(1), bias
