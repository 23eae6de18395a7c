"""The terms of the objective against formulas written out in numpy, and against differences."""

import numpy as np
import pytest
import torch

from render.style import losses


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def test_gram_matrices_are_the_mean_products_of_channels():
    features = random(2, 3, 4, 5)
    expected = np.zeros((2, 3, 3))
    for b in range(2):
        for i in range(3):
            for j in range(3):
                expected[b, i, j] = (features[b, i] * features[b, j]).mean()
    np.testing.assert_allclose(losses.gram(torch.tensor(features)), expected, rtol=1e-12)


def test_gram_matrices_of_half_precision_features_are_single_precision():
    assert losses.gram(torch.ones(1, 2, 3, 3, dtype=torch.bfloat16)).dtype == torch.float32


def test_gram_distance_is_the_squared_frobenius_norm():
    a, b = random(2, 3, 3), random(3, 3, seed=1)
    expected = [((a[n] - b) ** 2).sum() for n in range(2)]
    np.testing.assert_allclose(losses.gram_distance(torch.tensor(a), torch.tensor(b)), expected)


def test_content_distance_is_the_mean_squared_difference():
    a, b = random(2, 3, 4, 5), random(2, 3, 4, 5, seed=1)
    expected = ((a - b) ** 2).mean((1, 2, 3))
    np.testing.assert_allclose(
        losses.content_distance(torch.tensor(a), torch.tensor(b)), expected, rtol=1e-12
    )


def test_spread_is_the_mean_of_the_channels_variances():
    a = random(2, 3, 4, 5)
    np.testing.assert_allclose(losses.spread(torch.tensor(a)), a.var((2, 3)).mean(1), rtol=1e-12)


def test_total_variation_counts_neighbours_once_each_way():
    a = random(1, 3, 4, 5)
    expected = (np.diff(a, axis=2) ** 2).mean() + (np.diff(a, axis=3) ** 2).mean()
    np.testing.assert_allclose(losses.total_variation(torch.tensor(a))[0], expected, rtol=1e-12)


def test_masked_distance_is_ruders_temporal_loss():
    x, w = random(2, 3, 4, 5), random(2, 3, 4, 5, seed=1)
    mask = random(2, 1, 4, 5, seed=2) > 0
    expected = (mask * (x - w) ** 2).sum((1, 2, 3)) / (3 * 4 * 5)
    found = losses.masked_distance(torch.tensor(x), torch.tensor(w), torch.tensor(mask))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


TERMS = {
    "gram": lambda x: losses.gram_distance(losses.gram(x), torch.eye(3, dtype=x.dtype)),
    "content": lambda x: losses.content_distance(x, torch.zeros_like(x)),
    "total variation": losses.total_variation,
    "summed variation": losses.summed_variation,
    "temporal": lambda x: losses.masked_distance(x, torch.ones_like(x), torch.ones_like(x[:, :1])),
}


def guide_of(x):
    """Weights of positions that are not all the same, the same for every channel."""
    weight = torch.linspace(0.2, 2.0, x.shape[-2] * x.shape[-1], dtype=x.dtype)
    return (weight / weight.sum()).sqrt().view(1, 1, *x.shape[-2:]).expand(x.shape[0], -1, -1, -1)


GUIDED = {
    "gram": lambda x: losses.gram_distance(
        losses.gram(x, guide_of(x)), torch.eye(3, dtype=x.dtype)
    ),
    "content": lambda x: losses.content_distance(x, torch.zeros_like(x), guide_of(x)),
    "temporal": lambda x: losses.masked_distance(x, torch.ones_like(x), guide_of(x)),
}


@pytest.mark.parametrize("name", TERMS)
def test_gradients_agree_with_finite_differences(name):
    x = torch.tensor(random(2, 3, 4, 5), requires_grad=True)
    assert torch.autograd.gradcheck(TERMS[name], x)


@pytest.mark.parametrize("name", GUIDED)
def test_gradients_agree_with_finite_differences_where_positions_count_unequally(name):
    x = torch.tensor(random(2, 3, 4, 5), requires_grad=True)
    assert torch.autograd.gradcheck(GUIDED[name], x)


@pytest.mark.parametrize("name", [name for name in TERMS if name != "summed variation"])
def test_terms_do_not_grow_with_the_picture(name):
    x = torch.tensor(random(1, 3, 16, 16)).repeat_interleave(8, 2).repeat_interleave(8, 3)
    tiled = x.tile(1, 1, 2, 2)
    torch.testing.assert_close(TERMS[name](tiled), TERMS[name](x), rtol=0.05, atol=0)


def test_summed_variation_is_half_the_squares_of_neighbours():
    a = random(1, 3, 4, 5)
    right, below = np.diff(a, axis=3)[:, :, :-1], np.diff(a, axis=2)[..., :-1]
    expected = 0.5 * ((right**2).sum() + (below**2).sum())
    np.testing.assert_allclose(losses.summed_variation(torch.tensor(a))[0], expected, rtol=1e-12)


def test_a_guide_weighs_positions():
    a, b = random(2, 3, 4, 5), random(2, 3, 4, 5, seed=1)
    share = random(2, 1, 4, 5, seed=2) ** 2
    share = share / share.sum((2, 3), keepdims=True)
    guide = torch.tensor(np.sqrt(share))
    products = np.einsum("bihw, bjhw, bhw -> bij", a, a, share[:, 0])
    np.testing.assert_allclose(losses.gram(torch.tensor(a), guide), products, rtol=1e-10)
    mean = (share * a).sum((2, 3), keepdims=True)
    variance = (share * (a - mean) ** 2).sum((2, 3)).mean(1)
    np.testing.assert_allclose(losses.spread(torch.tensor(a), guide), variance, rtol=1e-10)
    difference = (share * (a - b) ** 2).sum((1, 2, 3)) / 3
    found = losses.content_distance(torch.tensor(a), torch.tensor(b), guide)
    np.testing.assert_allclose(found, difference, rtol=1e-10)
