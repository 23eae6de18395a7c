"""Products of channels against the plain matrix product, in every layout and precision."""

import pytest
import torch

from render.style.products import products, with_products

SHAPES = [(1, 3, 4, 5), (2, 8, 16, 16), (3, 5, 37, 29), (1, 4, 70, 70)]
"""Fewer positions than a part has, just one part, several with a rest, all sixteen."""


def random(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def plain(features):
    flat = features.flatten(2)
    return flat @ flat.mT


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", SHAPES)
def test_they_are_the_matrix_product_with_its_transpose(shape, layout):
    features = random(shape).contiguous(memory_format=layout)
    torch.testing.assert_close(products(features), plain(features))


@pytest.mark.parametrize("shape", SHAPES)
def test_half_precision_features_have_sums_nearly_in_single_precision(shape):
    features = random(shape).abs().bfloat16()
    found = products(features)
    assert found.dtype == torch.float32
    # Sums of positive products: the rounding of the parts does not add up in the whole.
    torch.testing.assert_close(found.double(), plain(features.double()), rtol=4e-3, atol=0)


def test_the_gradient_agrees_with_differences():
    features = random((2, 3, 4, 5)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: products(x).sin(), features)


def test_the_gradient_has_the_features_own_layout_and_precision():
    features = random((1, 8, 16, 16)).bfloat16().contiguous(memory_format=torch.channels_last)
    features.requires_grad_()
    (gradient,) = torch.autograd.grad(products(features).sum(), features)
    assert gradient.dtype == torch.bfloat16
    assert gradient.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_sample_has_the_same_products_alone_and_in_a_batch(precision):
    batch = random((3, 8, 40, 40)).to(precision).contiguous(memory_format=torch.channels_last)
    alone = torch.cat([products(sample[None]) for sample in batch])
    torch.testing.assert_close(products(batch), alone, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_features_that_go_on_bring_their_gradient_back_with_that_of_the_products(precision):
    features = random((2, 8, 20, 20)).to(precision).contiguous(memory_format=torch.channels_last)
    gradients = []
    for how in (with_products, lambda x: (x, products(x))):
        x = features.clone(memory_format=torch.preserve_format).requires_grad_()
        onward, sums = how(x)
        (gradient,) = torch.autograd.grad(
            onward.square().sum() + sums.float().square().sum() / 1e4, x
        )
        gradients.append(gradient)
    torch.testing.assert_close(
        *gradients, rtol=1e-2 if precision == torch.bfloat16 else 1e-6, atol=1e-3
    )
    assert gradients[0].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("used", ["both", "features", "products"])
def test_behind_a_relu_the_gradient_is_nought_where_the_features_are_if_that_is_left_to_it(used):
    features = random((2, 8, 20, 20)).relu().contiguous(memory_format=torch.channels_last)
    gradients = []
    for relu in (True, False):
        x = features.clone(memory_format=torch.preserve_format).requires_grad_()
        onward, sums = with_products(x, relu=relu)
        loss = {"features": onward.cos().sum() * onward.sum(), "products": sums.cos().sum()}
        total = sum(loss.values()) if used == "both" else loss[used]
        gradients += torch.autograd.grad(total, x)
    masked, whole = gradients
    assert (whole[features == 0] != 0).any() or used == "products"
    torch.testing.assert_close(masked, whole * (features > 0))
