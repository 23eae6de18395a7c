"""Convolutions: the fused ones compute what torch's own do, whatever they are given."""

import pytest
import torch
from torch.nn import functional

from render.style.convolution import (
    Fused,
    Plain,
    _Cudnn,
    _laid_out,
    _Packed,
    _turned,
    convolution,
    has_fused,
)

CPU = torch.device("cpu")

bfloat16 = pytest.mark.skipif(not has_fused(), reason="this torch has no fused convolutions")


def draw(*shape, seed=0, dtype=torch.bfloat16):
    numbers = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    # The same numbers in every precision.
    return numbers.to(torch.bfloat16).to(dtype, memory_format=torch.channels_last)


def layer(inputs=8, outputs=16, dtype=torch.bfloat16):
    kernel = draw(outputs, inputs, 3, 3, dtype=dtype) / (3 * inputs**0.5)
    return kernel, torch.linspace(-1, 1, outputs).to(dtype)


@pytest.fixture(
    params=[
        pytest.param((torch.bfloat16, None), marks=bfloat16, id="as here in bfloat16"),
        pytest.param((torch.float32, _Packed), id="oneDNN"),
        pytest.param((torch.float32, _Cudnn), id="cuDNN, by torch's own"),
    ]
)
def library(request, monkeypatch):
    """Makes a fused convolution and a plain one of the same layer; and their precision.

    Processors without matrix units run oneDNN in float32, by the same calls. Of cuDNN, which takes a
    GPU, only the call itself is replaced.
    """
    dtype, of = request.param

    def cudnn(x, kernel, bias, stride, padding, dilation, groups):
        return functional.conv2d(x, kernel, bias, stride, padding, dilation, groups).relu_()

    monkeypatch.setattr(torch.ops.aten, "cudnn_convolution_relu", cudnn)

    def made():
        kernel, bias = layer(dtype=dtype)
        if of is None:
            return convolution(kernel, bias, CPU, dtype), Plain(kernel, bias)
        return Fused(of(_laid_out(kernel)), of(_turned(kernel)), bias), Plain(kernel, bias)

    return made, dtype


def outcome(convolve, x, **how):
    """Features, and the gradient of a sum that tells them all apart."""
    x = x.clone(memory_format=torch.preserve_format).requires_grad_()
    y = convolve(x, **how)
    weights = draw(*y.shape, seed=1, dtype=x.dtype)
    (gradient,) = torch.autograd.grad((y * weights).sum(), x)
    return y.detach(), gradient


def assert_same(found, expected):
    """Equal but for sums in another order, rounded to the precision."""
    for own, other in zip(found, expected, strict=True):
        near = 2e-2 if own.dtype == torch.bfloat16 else 1e-4
        torch.testing.assert_close(own, other, rtol=near, atol=near)


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("relu", ["none", "done"])
def test_fused_features_and_gradients_are_those_of_torch(library, padding, relu):
    made, dtype = library
    one, other = made()
    x = draw(2, 8, 11, 14, seed=2, dtype=dtype)
    how = {"padding": padding, "relu": relu}
    found = outcome(one, x, **how)
    assert (found[0].min() >= 0) == (relu == "done")
    assert found[0].is_contiguous(memory_format=torch.channels_last)
    assert_same(found, outcome(other, x, **how))


@pytest.mark.parametrize("relu", ["features", "left"])
def test_who_takes_the_features_makes_0_of_the_gradient_where_they_are_0(library, relu):
    made, dtype = library
    one, other = made()
    x = draw(2, 8, 11, 14, seed=2, dtype=dtype).requires_grad_()
    y = one(x, padding=1, relu=relu)
    kept = draw(*y.shape, seed=1, dtype=dtype) * (y > 0)
    found = (y.detach(), *torch.autograd.grad(y, x, kept))
    assert (y >= 0).all()
    assert_same(found, outcome(lambda x, **how: other(x, **how).relu(), x, padding=1, relu="none"))


def test_the_size_that_kernels_were_laid_out_for_changes_no_bit_of_another(library):
    """A worker that has painted another picture before must not paint this one otherwise."""
    made, dtype = library
    shapes = ((1, 8, 16, 16), (3, 8, 40, 25), (1, 8, 4, 4))
    pictures = [draw(*shape, seed=3, dtype=dtype) for shape in shapes]
    how = {"padding": 1, "relu": "done"}
    for x in pictures:
        fresh, plain = made()
        expected = outcome(fresh, x, **how)
        assert_same(expected, outcome(plain, x, **how))
        for before in pictures:
            used, _ = made()
            outcome(used, before, **how)
            assert all(map(torch.equal, outcome(used, x, **how), expected))


def test_a_sample_is_seen_alike_alone_and_in_a_batch(library):
    made, dtype = library
    one, _ = made()
    batch = draw(3, 8, 12, 12, seed=4, dtype=dtype)
    together = one(batch, padding=1, relu="done")
    for number in range(3):
        alone = one(batch[number : number + 1], padding=1, relu="done")
        assert torch.equal(alone[0], together[number])


def test_features_without_a_gradient_are_the_same(library):
    made, dtype = library
    one, _ = made()
    x = draw(1, 8, 12, 12, seed=5, dtype=dtype)
    with torch.no_grad():
        alone = one(x, padding=1, relu="done")
    assert not alone.requires_grad
    assert torch.equal(alone, outcome(one, x, padding=1, relu="done")[0])


def test_float64_is_convolved_plainly_as_it_is_there_to_check_the_others():
    kernel, bias = torch.randn(4, 3, 3, 3), torch.zeros(4)
    made = {precision: convolution(kernel, bias, CPU, precision) for precision in
            (torch.float32, torch.float64, torch.bfloat16)}  # fmt: skip
    assert [type(each) is Fused for each in made.values()] == [True, False, has_fused()]


def test_gradients_in_float32_are_those_of_torch():
    kernel, bias = draw(128, 64, 3, 3).float() / 24, torch.linspace(-1, 1, 128)
    x = draw(2, 64, 18, 21, seed=2).float()
    for how in ({"padding": 0, "relu": "none"}, {"padding": 1, "relu": "done"}):
        own = outcome(convolution(kernel, bias, CPU, torch.float32), x, **how)
        for found, plain in zip(own, outcome(Plain(kernel, bias), x, **how), strict=True):
            torch.testing.assert_close(found, plain, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("number", [0, 1])
def test_what_is_left_to_the_pooling_is_not_negative_in_half_precision(number):
    kernel, bias = layer()
    made = convolution(kernel, bias, CPU, torch.bfloat16), Plain(kernel, bias)
    y = made[number](draw(1, 8, 6, 6), padding=1, relu="left")
    assert y.dtype == torch.bfloat16
    assert (y == 0).any()
    assert (y >= 0).all()
