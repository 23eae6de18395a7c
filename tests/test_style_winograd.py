"""Winograd's convolutions: the plain ones' features, with fewer multiplications."""

import pytest
import torch
from torch.nn import functional

from render.style import winograd
from render.style.winograd import Winograd


def draw(*shape, seed=0):
    numbers = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return numbers.contiguous(memory_format=torch.channels_last)


def off(found, x, kernel, bias, padding):
    """The largest difference to a convolution in float64, over the largest feature."""
    exact = functional.conv2d(x.double(), kernel.double(), bias.double(), padding=padding)
    assert found.shape == exact.shape
    return float((found - exact).abs().max() / exact.abs().max())


@pytest.fixture
def work(monkeypatch):
    """How many products with transformed kernels were made."""
    made = []
    bmm = torch.bmm
    monkeypatch.setattr(winograd.torch, "bmm", lambda *a: made.append(1) or bmm(*a))
    return made


@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("size", [(16, 16), (29, 18), (15, 40)], ids=str)
@pytest.mark.parametrize("channels", [(64, 128), (128, 64)], ids=str)
def test_features_are_those_of_a_convolution(work, channels, size, padding):
    kernel, bias = draw(*channels, 3, 3) / 24, torch.linspace(-1, 1, channels[0])
    x = draw(2, channels[1], *size, seed=1)
    found = Winograd(lambda: kernel)(x, bias, padding, relu=False)
    assert work
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert off(found, x, kernel, bias, padding) < 1e-5
    assert torch.equal(Winograd(lambda: kernel)(x, bias, padding, relu=True), found.clamp_min(0))


@pytest.mark.parametrize(
    ("channels", "size"), [((3, 64), 32), ((64, 64), 32), ((64, 128), 12)], ids=str
)
def test_what_gains_nothing_is_convolved_plainly(work, channels, size):
    kernel, bias = draw(*channels, 3, 3) / 24, torch.ones(channels[0])
    x = draw(1, channels[1], size, size, seed=1)
    for relu in (False, True):
        plain = functional.conv2d(x, kernel, bias, padding=1)
        found = Winograd(lambda: kernel)(x, bias, 1, relu=relu)
        assert torch.equal(found, plain.relu() if relu else plain)
    assert not work


def test_strips_that_caches_hold_change_no_bit(work, monkeypatch):
    kernel, bias = draw(64, 128, 3, 3) / 24, torch.ones(64)
    x = draw(1, 128, 64, 20, seed=1)
    once = Winograd(lambda: kernel)(x, bias, 1, relu=False)
    assert len(work) == 1
    monkeypatch.setattr(winograd, "_STRIP", 1)
    found = Winograd(lambda: kernel)(x, bias, 1, relu=False)
    assert len(work) > 2
    assert torch.equal(found, once)


@pytest.mark.parametrize("size", [(21, 18), (12, 12)], ids=str)
def test_a_sample_is_seen_alike_alone_and_in_a_batch(size):
    kernel, batch = draw(128, 64, 3, 3) / 24, draw(3, 64, *size, seed=1)
    together = Winograd(lambda: kernel)(batch, None, 1, relu=False)
    for number in range(3):
        alone = Winograd(lambda: kernel)(batch[number : number + 1], None, 1, relu=False)
        assert torch.equal(alone[0], together[number])


def test_pictures_of_other_sizes_in_between_change_no_bit():
    """Of the kernel as it is and of what is made of it one is held, and the other made again."""
    kernel, small, large = (
        draw(*shape, seed=seed)
        for seed, shape in enumerate(((64, 128, 3, 3), (1, 128, 8, 8), (1, 128, 32, 32)))
    )
    asked = []
    both = Winograd(lambda: asked.append(1) or kernel)
    for x in (small, large, large, small, small, large):
        alone = Winograd(lambda: kernel)(x, None, 1, relu=False)
        assert torch.equal(both(x, None, 1, relu=False), alone)
    assert len(asked) == 3  # at first, for what is made of it, and when the small one came again
