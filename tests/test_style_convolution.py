"""Convolutions: the fused ones compute what torch's own do, whatever they are given."""

import pytest
import torch

from render.style.convolution import Fused, Plain, convolution, has_fused

CPU = torch.device("cpu")

fused = pytest.mark.skipif(not has_fused(), reason="this torch has no fused convolutions")


def draw(*shape, seed=0):
    numbers = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return numbers.to(torch.bfloat16).to(memory_format=torch.channels_last)


def pair(inputs=8, outputs=16):
    kernel = draw(outputs, inputs, 3, 3) / (3 * inputs**0.5)
    bias = torch.linspace(-1, 1, outputs).to(torch.bfloat16)
    return convolution(kernel, bias, CPU, torch.bfloat16), Plain(kernel, bias)


def outcome(convolve, x, **how):
    """Features, and the gradient of a sum that tells them all apart."""
    x = x.clone(memory_format=torch.preserve_format).requires_grad_()
    y = convolve(x, **how)
    weights = draw(*y.shape, seed=1)
    (gradient,) = torch.autograd.grad((y * weights).sum(), x)
    return y.detach().float(), gradient.float()


def assert_same(found, expected):
    for own, other in zip(found, expected, strict=True):
        # Sums in another order, rounded to 8 bits.
        torch.testing.assert_close(own, other, rtol=2e-2, atol=2e-2)


@fused
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("relu", ["none", "done"])
def test_fused_features_and_gradients_are_those_of_torch(padding, relu):
    one, other = pair()
    x = draw(2, 8, 11, 14, seed=2)
    how = {"padding": padding, "relu": relu}
    found = outcome(one, x, **how)
    assert (found[0].min() >= 0) == (relu == "done")
    assert_same(found, outcome(other, x, **how))


@fused
def test_the_size_that_kernels_were_laid_out_for_changes_no_bit_of_another():
    """A worker that has painted another picture before must not paint this one otherwise."""
    pictures = [draw(*shape, seed=3) for shape in ((1, 8, 16, 16), (3, 8, 40, 25), (1, 8, 4, 4))]
    how = {"padding": 1, "relu": "done"}
    for x in pictures:
        fresh, plain = pair()
        expected = outcome(fresh, x, **how)
        assert_same(expected, outcome(plain, x, **how))
        for before in pictures:
            used, _ = pair()
            outcome(used, before, **how)
            assert all(map(torch.equal, outcome(used, x, **how), expected))


@fused
def test_a_sample_is_seen_alike_alone_and_in_a_batch():
    one, _ = pair()
    batch = draw(3, 8, 12, 12, seed=4)
    together = one(batch, padding=1, relu="done")
    for number in range(3):
        alone = one(batch[number : number + 1], padding=1, relu="done")
        assert torch.equal(alone[0], together[number])


@fused
def test_features_without_a_gradient_are_the_same():
    one, _ = pair()
    x = draw(1, 8, 12, 12, seed=5)
    with torch.no_grad():
        alone = one(x, padding=1, relu="done")
    assert not alone.requires_grad
    assert torch.equal(alone.float(), outcome(one, x, padding=1, relu="done")[0])


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
    y = pair()[number](draw(1, 8, 6, 6), padding=1, relu="left")
    assert y.dtype == torch.bfloat16
    assert (y == 0).any()
    assert (y >= 0).all()
