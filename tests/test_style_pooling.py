"""Pooling and padding against torch's own, on this processor and as Triton's interpreter runs it."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch
from torch.nn import functional

from render.style.pooling import kernels_work, pooled, replicated

KERNELS = """
import torch
from torch.nn import functional
from render.style import kernels

def draw(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape) + shape[-1]))

for shape in ((2, 16, 8, 6), (1, 8, 9, 7), (1, 40, 17, 18)):  # more than one block; odd sides
    for precision, tolerance in ((torch.float32, 1e-6), (torch.bfloat16, 1e-2)):
        x = draw(*shape).to(precision).contiguous(memory_format=torch.channels_last)
        for largest, relu in ((True, False), (True, True), (False, False)):
            wide = x.float().requires_grad_()
            expected = functional.max_pool2d(wide, 2) if largest else functional.avg_pool2d(wide, 2)
            expected = functional.relu(expected) if relu else expected
            towards = draw(*expected.shape).to(precision)
            (gradient,) = torch.autograd.grad(expected, wide, towards.float())
            found, which = kernels.pool(x, largest=largest, relu=relu)
            assert found.is_contiguous(memory_format=torch.channels_last)
            torch.testing.assert_close(found.float(), expected, rtol=tolerance, atol=tolerance)
            back = kernels.unpool(towards, which, x.shape)
            torch.testing.assert_close(back.float(), gradient, rtol=tolerance, atol=tolerance)
x = draw(1, 8, 8, 8).contiguous(memory_format=torch.channels_last)
x[0, 3, 3, 3] = float("nan")
for largest in (True, False):
    assert kernels.pool(x, largest=largest, relu=largest)[0].isnan().sum() == 1
"""


@pytest.mark.skipif(find_spec("triton") is None, reason="there is no Triton")
def test_the_kernels_compute_what_torch_does():
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", KERNELS],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_without_a_compiler_for_them_torchs_own_are_used_and_it_is_said(monkeypatch):
    kernels = pytest.importorskip("render.style.kernels")

    def pool(x, *, largest, relu):
        raise RuntimeError("Failed to find C compiler")

    monkeypatch.setattr(kernels, "pool", pool)
    kernels_work.cache_clear()
    with pytest.warns(UserWarning, match="slower: Failed to find C compiler"):
        assert not kernels_work(torch.device("cpu"))
    assert not kernels_work(torch.device("cpu"))  # without a second attempt
    kernels_work.cache_clear()


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


def test_padding_repeats_the_edges_and_its_gradient_agrees_with_differences():
    x = features(2, 3, 4, 5).requires_grad_()
    assert torch.equal(replicated(x), functional.pad(x, (1, 1, 1, 1), "replicate"))
    assert torch.autograd.gradcheck(replicated, x)
