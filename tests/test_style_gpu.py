"""The engine on a device without memory, which stands for a GPU: where would the host wait for it?

A value that the host reads, a shape that depends on data and a copy between host and device all make
the host wait; in an evaluation there must be none of them. Tensors of torch's `meta` device have no
data, so the first two raise there; copies are seen by what goes through torch's dispatcher.
"""

from functools import partial

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from render.style.adam import minimize_adam
from render.style.bands import Bands
from render.style.lbfgs import WINDOW, minimize
from render.style.objective import Objective, Pull, Region, Weights
from render.style.procedural import procedural_convolutions
from render.style.statistics import make_target, moments
from render.style.vgg import Vgg

DEVICE = torch.device("meta")
WEIGHTS = Weights(
    {"conv1_1": 1.0, "relu2_1": 1.0}, 10.0, {"relu2_2": 1.0}, 1.0, tv=0.4, temporal=20.0
)
SIDE = 48
UNKNOWNS = 3 * SIDE * SIDE


class NoCopies(TorchDispatchMode):
    """Refuses numbers that come from Python, and operations whose tensors lie on two devices."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        assert function is not torch.ops.aten.lift_fresh.default, (
            "a tensor made of Python's numbers"
        )
        found = function(*args, **(kwargs or {}))
        leaves = tree_leaves((args, kwargs, found))
        devices = {leaf.device for leaf in leaves if isinstance(leaf, torch.Tensor)}
        assert len(devices) < 2, f"{function} goes between {devices}"
        return found


@pytest.fixture(scope="module")
def network():
    return procedural_convolutions("vgg16", 4)


def objective(network, loss="gram", pooling="max", masked=True):
    """Every term, in bfloat16, of two pictures."""
    vgg = Vgg(network, WEIGHTS.layers(), pooling=pooling, device=DEVICE, precision=torch.bfloat16)
    features = vgg.features(torch.empty(1, 3, SIDE, SIDE, device=DEVICE))
    style = {
        name: make_target(moments(features[name], loss), loss) for name in WEIGHTS.style_layers
    }
    content = torch.empty(2, 3, SIDE, SIDE, device=DEVICE)
    area = content[:, :1]
    regions = [Region(style, area), Region(style, area)] if masked else [Region(style)]
    opaque = area if masked else None
    return Objective(vgg, WEIGHTS, regions, content, Pull(content, area, area > 0), opaque)


def start():
    return torch.empty(2, UNKNOWNS, device=DEVICE)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("pooling", ["max", "average", "l2"])
@pytest.mark.parametrize("loss", ["gram", "covariance", "wasserstein"])
def test_an_evaluation_never_makes_the_host_wait(network, loss, pooling, masked):
    closure = objective(network, loss, pooling, masked)
    with NoCopies():
        losses, gradients = closure(start())
    assert (losses.shape, losses.device) == ((2,), DEVICE)
    assert (gradients.shape, gradients.device) == ((2, UNKNOWNS), DEVICE)


BANDS = Bands(SIDE, SIDE, DEVICE)


@pytest.mark.parametrize("run", [partial(minimize, history=3, bands=BANDS), minimize_adam])
def test_an_optimiser_never_makes_the_host_wait(network, run):
    closure = objective(network)
    with NoCopies():
        found = run(closure, start(), evaluations=12)
    assert (found.trace.shape, found.trace.device) == ((12, 2), DEVICE)
    assert found.point.device == DEVICE


@pytest.mark.parametrize("run", [minimize, minimize_adam])
def test_an_early_stop_reads_a_value_and_only_once_in_a_window(network, run):
    closure = objective(network)
    run(closure, start(), evaluations=WINDOW, tolerance=1e-3)
    with pytest.raises(RuntimeError, match="meta"):
        run(closure, start(), evaluations=WINDOW + 1, tolerance=1e-3)


def test_what_makes_the_host_wait_is_seen_here():
    pixels = torch.empty(3, device=DEVICE)
    for reads in (lambda: bool(pixels.sum() > 0), pixels.tolist, lambda: pixels[pixels > 0]):
        with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
            reads()
    with NoCopies(), pytest.raises(AssertionError, match="goes between"):
        torch.ones(3).to(DEVICE)
    with NoCopies(), pytest.raises(AssertionError, match="Python's numbers"):
        torch.tensor([0.1, 0.2], device=DEVICE)
