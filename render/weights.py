"""Where the network's weights come from: torchvision, a file, or thin air."""

from __future__ import annotations

import hashlib
import re
import socket
import urllib.error
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from render.errors import WeightsError
from render.spec.job import Job, ModelSpec, Temporal
from render.spec.layers import Arch
from render.spec.stages import is_carried
from render.style.procedural import procedural_convolutions
from render.style.vgg import Convolutions, convolution_shapes, depth

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)
CAFFE_ZERO = (123.68 / 255, 116.779 / 255, 103.939 / 255)
CAFFE_FILES = ("d01eb7cb", "00b39a1b")
"""First digits of the SHA-256 of the well-known Caffe conversions of VGG-19 and VGG-16."""
RAFT_CACHED = "raft_large_C_T_SKHT_V2-ff5fadd5.pth"
"""What torchvision calls RAFT's weights; with these it errs least on real footage."""


def load_convolutions(spec: ModelSpec, layers: Collection[str]) -> Convolutions:
    """The weights that `spec` asks for, any normalisation of pixels folded into the first layer.

    The last ones are kept: a worker's next job most often asks for the same.

    Args:
        spec: which network, and where its weights come from.
        layers: the layers that will be asked for; what lies deeper may be left out.

    Raises:
        WeightsError: they cannot be had, or are those of something else.
    """
    if spec.encoding == "caffe" and spec.weights in ("imagenet", "procedural"):
        raise WeightsError(
            f"model.encoding: the {spec.weights} weights expect RGB; caffe is for files of such weights"
        )
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
    kernels, biases = _matching(read_state(path, "model.weights"), arch, path)
    fold = _fold_caffe if encoding == "caffe" else _fold_rgb
    kernels[0], biases[0] = fold(kernels[0], biases[0])
    caffe = encoding == "caffe"
    return Convolutions(
        arch,
        kernels,
        biases,
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
        digits = path.stem.rsplit("-", 1)[-1]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), hash_prefix=digits, progress=False)
        except (urllib.error.URLError, OSError, RuntimeError) as error:
            raise WeightsError(
                f"the ImageNet weights of {spec.arch} cannot be downloaded ({error}). Three ways out: "
                f"fetch {url} on a machine with network and put it at {path}; set model.weights to "
                f"the path of a state dict; or set model.weights to procedural"
            ) from error
    return path


def find_raft(temporal: Temporal) -> Path | None:
    """The file that holds RAFT's weights; `None` if the job measures no flow, or by other means.

    Raises:
        WeightsError: the file is not on this machine.
    """
    if temporal.flow != "raft" or not is_carried(temporal):
        return None
    path = temporal.flow_weights or Path(torch.hub.get_dir(), "checkpoints", RAFT_CACHED)
    if path.is_file():
        return path
    if temporal.flow_weights is not None:
        raise WeightsError(f"temporal.flow_weights: no file at {path}")
    raise WeightsError(
        f"temporal.flow: raft needs weights that are not on this machine. Three ways out: put "
        f"torchvision's {RAFT_CACHED} at {path}; set temporal.flow_weights to the path of a state dict "
        f"of its raft_large; or set temporal.flow to dis, which needs none"
    )


def weights_digests(job: Job) -> dict[str, str]:
    """SHA-256 of each file of weights that a job uses, by the key that names it.

    Raises:
        WeightsError: as `fetch_weights` and `find_raft`.
    """
    if job.engine != "vgg":
        return {}
    files = {
        "model.weights": fetch_weights(job.model),
        "temporal.flow_weights": find_raft(job.temporal),
    }
    return {key: _digest(path) for key, path in files.items() if path is not None}


def check_weights(job: Job, digests: Mapping[str, str]) -> None:
    """Refuse weights on this machine that are not those with the digests.

    Raises:
        WeightsError: they differ, or cannot be had here.
    """
    ours = weights_digests(job)
    for key in sorted(ours.keys() | digests.keys()):
        if ours.get(key) != digests.get(key):
            here, there = (str(found.get(key))[:12] for found in (ours, digests))
            raise WeightsError(
                f"{key}: on {socket.gethostname()} lies another file than the driver's (SHA-256 "
                f"{here} there, {there} here); copy one to all"
            )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_state(path: Path, key: str) -> Mapping[str, Tensor]:
    """The tensors in a file, by name.

    Args:
        path: a state dict, pickled or safetensors.
        key: of the job that names the file, for messages.

    Raises:
        WeightsError: it is no state dict.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        # Never weights_only=False: a pickle may run anything.
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # which a pickle may raise: it is a program
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        if not isinstance(error, OSError | EOFError | RuntimeError | SafetensorError):
            # In words of ours: torch advises to load it unsafely.
            first_line = "not a pickle of tensors alone"
        raise WeightsError(f"{key}: {path} is no state dict ({first_line})") from error
    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise WeightsError(f"{key}: {path} is no state dict: tensors by name are wanted")
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
    if any(key.endswith("running_mean") for key in state):
        raise WeightsError(
            f"model.weights: {path} has batch normalisation, which {arch} has not; take weights of the "
            "network without it"
        )
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
