"""Pooling against torch's own."""

import pytest
import torch
from torch.nn import functional

from render.style.pooling import pooled


def features(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("pooling", ["max", "average", "l2"])
def test_pooling_halves_the_sides_and_its_gradient_agrees_with_differences(pooling):
    x = features(2, 3, 6, 7).requires_grad_()
    assert pooled(x, pooling, relu=False).shape == (2, 3, 3, 3)
    assert torch.autograd.gradcheck(lambda x: pooled(x, pooling, relu=False), x)


def test_what_is_negative_after_pooling_becomes_nought_if_wanted():
    x = features(1, 4, 8, 8)
    assert torch.equal(pooled(x, "max", relu=True), functional.max_pool2d(x, 2).relu())


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(2, 16, 8, 6), (1, 3, 2, 2), (1, 8, 9, 6)])
@pytest.mark.parametrize("relu", [True, False])
def test_in_half_precision_each_gradient_goes_to_one_of_the_largest(precision, shape, relu):
    x = features(*shape).clamp_min(0).to(precision)
    x[:, :2, :2, :2] = x[0, 0, 0, 0]  # four equal ones
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    y = pooled(x, "max", relu=relu)
    expected = functional.max_pool2d(x.double(), 2)
    assert y.dtype == precision
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(y.double(), expected)
    towards = 1 + torch.rand(y.shape, dtype=torch.float64).to(precision)
    (gradient,) = torch.autograd.grad(y, x, towards)
    height, width = (side // 2 * 2 for side in shape[2:])
    four, chosen = (
        functional.unfold(each.double()[:, :, :height, :width], 2, stride=2).unflatten(1, (-1, 4))
        for each in (x.detach(), gradient)
    )
    positive = (expected > 0).flatten(2)  # where all are 0, a ReLU has no gradient anyway
    assert ((chosen != 0).sum(2) == 1)[positive].all()
    assert torch.equal(chosen.sum(2)[positive], towards.flatten(2).double()[positive])
    assert (four[chosen != 0] == four.amax(2, keepdim=True).expand_as(four)[chosen != 0]).all()
