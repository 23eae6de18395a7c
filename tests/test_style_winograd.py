"""Winograd's convolution against torch's own: values, gradients, every size, both precisions."""

import pytest
import torch
from torch.nn import functional

from render.style.winograd import WinogradConvolution, pays

CPU = torch.device("cpu")
SIZES = [(3, 3), (4, 7), (11, 14), (12, 12)]


def random(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def layer(inputs=8, outputs=6):
    return random(outputs, inputs, 3, 3, seed=1), random(outputs, seed=2)


def channels_last(features):
    return features.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_values_and_gradients_are_those_of_the_convolution(height, width, padding, layout):
    kernel, bias = layer()
    features = random(2, 8, height, width).contiguous(memory_format=layout).requires_grad_()
    found = WinogradConvolution(kernel, bias, torch.float64)(features, padding)
    expected = functional.conv2d(features, kernel, bias, padding=padding)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    slope = random(*expected.shape, seed=3)
    (gradient,) = torch.autograd.grad(found, features, slope)
    (wanted,) = torch.autograd.grad(expected, features, slope)
    torch.testing.assert_close(gradient, wanted, rtol=0, atol=1e-12)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_the_gradient_agrees_with_finite_differences():
    convolve = WinogradConvolution(*layer(2, 3), torch.float64)
    features = channels_last(random(1, 2, 5, 4)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: convolve(x, 1).sin(), features)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_relu_may_follow_in_place(height, width):
    kernel, bias = layer()
    features = channels_last(random(1, 8, height, width)).requires_grad_()
    found = WinogradConvolution(kernel, bias, torch.float64)(features, 1).relu_()
    expected = functional.conv2d(features, kernel, bias, padding=1).relu()
    (gradient,) = torch.autograd.grad(found.sum(), features)
    (wanted,) = torch.autograd.grad(expected.sum(), features)
    torch.testing.assert_close(gradient, wanted, rtol=0, atol=1e-12)


def test_stripes_leave_no_seams(monkeypatch):
    kernel, bias = layer()
    features = channels_last(random(1, 8, 23, 17))
    whole = WinogradConvolution(kernel, bias, torch.float64)(features, 1)
    monkeypatch.setattr("render.style.winograd._STRIPE", 1)
    assert torch.equal(WinogradConvolution(kernel, bias, torch.float64)(features, 1), whole)


def test_a_picture_comes_out_the_same_to_the_bit_alone_and_in_a_batch():
    convolve = WinogradConvolution(*layer(), torch.float32)
    batch = channels_last(random(3, 8, 10, 12).float())
    together = convolve(batch, 1)
    for n in range(3):
        assert torch.equal(convolve(batch[n : n + 1], 1)[0], together[n])


@pytest.mark.parametrize(("precision", "error"), [(torch.float32, 5e-7), (torch.bfloat16, 8e-3)])
def test_the_error_is_of_the_size_of_the_precisions_own(precision, error):
    kernel, bias = random(128, 64, 3, 3, seed=1) / 24, random(128, seed=2)
    features = channels_last(random(1, 64, 24, 24).relu().to(precision))
    expected = functional.conv2d(features.double(), kernel, bias, padding=1)
    found = WinogradConvolution(kernel, bias, precision)(features, 1)
    assert found.dtype == precision
    assert (found.double() - expected).norm() < error * expected.norm()


@pytest.mark.parametrize("amx", [False, True])
def test_it_is_for_layers_with_many_channels_on_cpus_without_matrix_units(monkeypatch, amx):
    monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda: amx)
    many, few = torch.empty(128, 64, 3, 3), torch.empty(64, 64, 3, 3)
    assert pays(many, CPU, torch.float32)
    assert pays(many, CPU, torch.bfloat16) != amx
    assert not pays(few, CPU, torch.float32)
    assert not pays(many, torch.device("cuda"), torch.bfloat16)
