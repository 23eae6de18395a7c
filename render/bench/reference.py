"""The yardstick: style transfer as the well-known PyTorch programs do it, without any cunning.

float32, channels-first, a loss from autograd over separate operations, `torch.optim.LBFGS` with strong
Wolfe line search and a history of 100, at one scale, pixels put back into 0 to 1 before each evaluation,
as PyTorch's own tutorial does it: without that the loss gets lower, but by pixels that no file can hold,
and is a third higher once they are saved. The objective is the engine's normalised one, written out here
once more and independently, so that losses compare, and so that a run also shows that both compute the
same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from render.spec.layers import layer_names
from render.style.objective import Weights
from render.style.pooling import Pooling
from render.style.vgg import Convolutions

HISTORY = 100
_NO_LIMIT = 1_000_000


class Reference:
    """The plain program's view of one job: a loss of one picture.

    Args:
        convolutions: the network's weights.
        weights: of the terms; no temporal one, in the normalised form.
        style: 1×3×h×w, 0 to 1, at the size at which its statistics count.
        content: 1×3×H×W, 0 to 1.
        pooling: between blocks, `average` or `max`.
    """

    def __init__(
        self,
        convolutions: Convolutions,
        weights: Weights,
        style: Tensor,
        content: Tensor,
        pooling: Pooling,
    ) -> None:
        self._convolutions = convolutions
        self._weights = weights
        self._layers = weights.layers()
        self._pool: Callable[[Tensor, int], Tensor] = (
            functional.max_pool2d if pooling == "max" else functional.avg_pool2d
        )
        device = content.device
        self._kernels = [kernel.to(device).contiguous() for kernel in convolutions.kernels]
        self._biases = [bias.to(device) for bias in convolutions.biases]
        with torch.no_grad():
            features = self._features(content)
            self._content = {name: features[name] for name in weights.content_layers}
            self._spread = {
                name: f.var((2, 3), correction=0).mean() for name, f in self._content.items()
            }
            self._style = {
                name: _gram(f)
                for name, f in self._features(style).items()
                if name in weights.style_layers
            }
            self._first = {
                name: (_gram(features[name]) - target).square().sum()
                for name, target in self._style.items()
            }

    def loss(self, pixels: Tensor) -> Tensor:
        """The loss, one number, of 1×3×H×W pixels."""
        features = self._features(pixels)
        weights = self._weights
        content = _shares(weights.content_layers)
        style = _shares(weights.style_layers)
        loss = weights.tv * _total_variation(pixels)
        for name, target in self._content.items():
            distance = functional.mse_loss(features[name], target)
            loss = loss + weights.content * content[name] * distance / self._spread[name]
        for name, target in self._style.items():
            difference = (_gram(features[name]) - target).square().sum()
            loss = loss + weights.style * style[name] * difference / self._first[name]
        return loss

    def _features(self, x: Tensor) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        number = 0
        for name in layer_names(self._convolutions.arch):
            if found.keys() == self._layers:
                break
            if name.startswith("relu"):
                x = functional.relu(x)
            else:
                if number > 0 and name.endswith("_1"):
                    x = self._pool(x, 2)
                if number == 0:
                    x = functional.pad(x, (1, 1, 1, 1), "replicate")
                    x = functional.conv2d(x, self._kernels[number], self._biases[number])
                else:
                    x = functional.conv2d(x, self._kernels[number], self._biases[number], padding=1)
                number += 1
            if name in self._layers:
                found[name] = x
        return found


class ReferenceRun:
    """The plain program at work on a picture; goes on where it left off.

    Args:
        loss: from 1×3×H×W pixels to one number.
        start: the first picture.

    Attributes:
        pixels: the picture as it stands.
        losses: of all evaluations so far.
        moments: by `time.perf_counter`, when each of them was known.
    """

    def __init__(self, loss: Callable[[Tensor], Tensor], start: Tensor) -> None:
        self.pixels = start.detach().clone().requires_grad_()
        self.losses: list[float] = []
        self.moments: list[float] = []
        self._loss = loss
        self._optimizer = torch.optim.LBFGS(
            [self.pixels],
            lr=1,
            max_iter=_NO_LIMIT,
            history_size=HISTORY,
            tolerance_grad=0,
            tolerance_change=0,
            line_search_fn="strong_wolfe",
        )

    def evaluate(self, least: int) -> int:
        """Go on for at least so many evaluations.

        Returns:
            how many it made.
        """
        before = len(self.losses)
        # In one step of the optimiser, as the programs do it: what is left of `max_eval` limits its line
        # searches too, so that many short steps would cripple them.
        self._optimizer.param_groups[0]["max_eval"] = least
        while len(self.losses) - before < least:
            self._optimizer.step(self._closure)  # type: ignore[no-untyped-call]
        return len(self.losses) - before

    def _closure(self) -> Tensor:
        with torch.no_grad():
            self.pixels.clamp_(0, 1)
        self._optimizer.zero_grad()
        loss = self._loss(self.pixels)
        torch.autograd.backward(loss)
        self.losses.append(loss.item())  # for which torch's line search waits anyway
        self.moments.append(time.perf_counter())
        return loss


def _gram(features: Tensor) -> Tensor:
    flat = features.flatten(2)
    return torch.bmm(flat, flat.transpose(1, 2)) / flat.shape[2]


def _total_variation(pixels: Tensor) -> Tensor:
    down = (pixels[:, :, 1:] - pixels[:, :, :-1]).square().mean()
    return down + (pixels[:, :, :, 1:] - pixels[:, :, :, :-1]).square().mean()


def _shares(layers: Mapping[str, float]) -> dict[str, float]:
    total = sum(layers.values())
    return {name: weight / total for name, weight in layers.items()}
