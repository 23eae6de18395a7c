"""The first convolution, and what it sees beyond the edges of a picture."""

import pytest
import torch
from torch.nn import functional

from render.style.first import first_convolution, replicated

CPU = torch.device("cpu")


def random(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_padding_repeats_the_edges_and_its_gradient_agrees_with_differences():
    x = random(2, 3, 4, 5).requires_grad_()
    assert torch.equal(replicated(x), functional.pad(x, (1, 1, 1, 1), "replicate"))
    assert torch.autograd.gradcheck(replicated, x)


@pytest.mark.parametrize("zero", [None, (0.5, 0.4, 0.3)])
def test_beyond_the_edges_lies_what_was_asked_for(zero):
    pixels, kernel, bias = random(1, 3, 6, 7), random(8, 3, 3, 3), random(8)
    first = first_convolution(kernel, bias, CPU, torch.float64, zero)
    wide = functional.pad(pixels, (1,) * 4, "replicate")
    if zero is not None:
        wide = torch.tensor(zero, dtype=torch.float64)[:, None, None].expand(1, 3, 8, 9).clone()
        wide[:, :, 1:-1, 1:-1] = pixels
    # The colours are a network's own numbers, in single precision.
    expected = functional.conv2d(wide, kernel, bias).relu()
    torch.testing.assert_close(first(pixels, relu="done"), expected, rtol=1e-5, atol=1e-5)
