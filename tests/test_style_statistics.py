"""Moments of features and the distances between them, against formulas in numpy and differences."""

import numpy as np
import pytest
import torch

from render.style.guides import guide
from render.style.statistics import (
    RIDGE,
    STYLE_LOSSES,
    Moments,
    blend,
    make_target,
    moments,
    nothing,
)

LOSSES = list(STYLE_LOSSES)


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape) + 0.5


def measured(features, loss="wasserstein", area=None):
    tensor = torch.as_tensor(features)
    where = None if area is None else guide(torch.as_tensor(area), *tensor.shape[-2:])
    return moments(tensor, loss, where)


def covariance(sample):
    flat = sample.reshape(len(sample), -1)
    return np.cov(flat, bias=True), flat.mean(1)


def root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return vectors @ np.diag(np.sqrt(values.clip(0))) @ vectors.T


def gram_formula(a, b):
    a, b = (x.reshape(len(x), -1) for x in (a, b))
    return ((a @ a.T / a.shape[1] - b @ b.T / b.shape[1]) ** 2).sum()


def covariance_formula(a, b):
    (own, own_mean), (target, mean) = covariance(a), covariance(b)
    return ((own - target) ** 2).sum() / (target**2).sum() + ((own_mean - mean) ** 2).sum() / (
        mean**2
    ).sum()


def wasserstein_formula(a, b):
    (own, own_mean), (target, mean) = covariance(a), covariance(b)
    ridge = RIDGE * (b**2).mean() * np.eye(len(own))
    own, target = own + ridge, target + ridge
    half = root(target)
    cross = np.diag(target + own - 2 * root(half @ own @ half)).mean()
    return ((own_mean - mean) ** 2).mean() + cross


FORMULAS = {
    "gram": gram_formula,
    "covariance": covariance_formula,
    "wasserstein": wasserstein_formula,
}


@pytest.mark.parametrize("loss", LOSSES)
def test_distances_are_those_of_the_formula(loss):
    features, target = random(2, 4, 5, 6), random(1, 4, 7, 3, seed=1)
    found = make_target(measured(target), loss).distance(measured(features))
    expected = [FORMULAS[loss](sample, target[0]) for sample in features]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_agree_with_finite_differences(loss):
    distance = make_target(measured(random(1, 3, 4, 5, seed=1)), loss).distance
    features = torch.tensor(random(2, 3, 4, 5), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: distance(moments(x, loss)), features)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_agree_with_finite_differences_where_positions_count_unequally(loss):
    distance = make_target(measured(random(1, 3, 4, 5, seed=1)), loss).distance
    features = torch.tensor(random(2, 3, 4, 5), requires_grad=True)
    area = torch.linspace(0.2, 1, 20, dtype=torch.float64).view(1, 1, 4, 5)
    assert torch.autograd.gradcheck(
        lambda x: distance(moments(x, loss, guide(area, 4, 5).expand(2, -1, -1, -1))), features
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_a_picture_is_at_no_distance_from_itself(loss):
    features = measured(random(1, 4, 5, 6), loss)
    target = make_target(features, loss)
    assert target.distance(features).item() == pytest.approx(0, abs=1e-10)
    assert target.size.item() > 0
    torch.testing.assert_close(target.size, target.distance(nothing(features)))


@pytest.mark.parametrize("loss", LOSSES)
def test_distances_do_not_grow_with_the_picture(loss):
    features, target = torch.tensor(random(1, 3, 8, 8)), measured(random(1, 3, 8, 8, seed=1))
    distance = make_target(target, loss).distance
    torch.testing.assert_close(
        distance(moments(features.tile(1, 1, 3, 2), loss)), distance(moments(features, loss))
    )


@pytest.mark.parametrize("loss", ["covariance", "wasserstein"])
def test_fewer_positions_than_channels_give_finite_gradients(loss):
    """Covariances of deep layers of small pictures are singular."""
    features = torch.tensor(random(1, 32, 3, 3)).float().relu().requires_grad_()
    target = make_target(measured(np.maximum(random(1, 32, 3, 3, seed=1), 0)), loss)
    target.distance(moments(features, loss)).sum().backward()
    assert torch.isfinite(features.grad).all()


def test_large_means_and_few_positions_leave_single_precision_gradients_of_use():
    """A step against the gradient helps: rounding has not made covariances indefinite."""
    generator = torch.Generator().manual_seed(0)
    scale = torch.logspace(0, 2, 128)[:, None, None]

    def draw():
        return scale * (3 + torch.rand(1, 128, 6, 6, generator=generator))

    distance = make_target(moments(draw(), "wasserstein"), "wasserstein").distance
    features = draw().requires_grad_()
    before = distance(moments(features, "wasserstein"))
    (gradient,) = torch.autograd.grad(before.sum(), features)
    step = 1e-3 * before.detach() / gradient.square().sum()
    after = distance(moments(features - step * gradient, "wasserstein"))
    assert 1 - (after / before).item() == pytest.approx(1e-3, rel=0.1)


def test_the_distance_of_gaussians_sees_the_mean_and_the_covariance_apart():
    features = random(1, 4, 6, 6)
    for loss in ("covariance", "wasserstein"):
        distance = make_target(measured(features), loss).distance
        assert distance(measured(features + 1)).item() > 0.1
        assert distance(measured(features * 2 - features.mean((2, 3), keepdims=True))).item() > 0.1


def test_moments_of_a_mixture_are_those_of_the_pictures_side_by_side():
    first, second = random(1, 3, 4, 4), random(1, 3, 4, 4, seed=1)
    together = measured(np.concatenate([first, second, second, second], 3))
    mixed = blend([measured(first), measured(second)], [0.25, 0.75])
    torch.testing.assert_close(mixed.second, together.second)
    torch.testing.assert_close(mixed.mean, together.mean)


def test_an_area_counts_alone():
    features = random(1, 3, 4, 6)
    area = np.zeros((1, 1, 4, 6))
    area[..., 2:5] = 1
    inside, alone = measured(features, area=area), measured(features[..., 2:5])
    torch.testing.assert_close(inside.second, alone.second)
    torch.testing.assert_close(inside.mean, alone.mean)


def test_an_area_that_is_grey_everywhere_counts_as_one_that_is_white():
    features = random(1, 3, 4, 6)
    torch.testing.assert_close(
        measured(features, area=np.full((1, 1, 4, 6), 0.3)).second, measured(features).second
    )


def test_half_precision_features_have_single_precision_moments():
    found = moments(torch.ones(1, 2, 3, 3, dtype=torch.bfloat16), "covariance")
    assert found.second.dtype == found.mean.dtype == torch.float32


def test_losses_that_need_a_mean_refuse_moments_without():
    with pytest.raises(ValueError, match="no mean"):
        make_target(Moments(torch.eye(3)[None]), "covariance")


@pytest.mark.parametrize("loss", ["covariance", "wasserstein"])
def test_gradients_of_half_precision_features_are_more_than_rounding(loss):
    """The parts of such a gradient, through products and through means, all but cancel."""
    features = torch.tensor(random(1, 32, 24, 24) + 3).relu().bfloat16()
    style = torch.tensor(random(1, 32, 20, 20, seed=1) + 3.1).relu()
    exact = make_target(moments(style, loss), loss)
    target = make_target(moments(style.float(), loss), loss)

    def gradient(of, like):
        of = of.clone().requires_grad_()
        return torch.autograd.grad(like.distance(moments(of, loss)).sum(), of)[0].double()

    found, expected = gradient(features, target), gradient(features.double(), exact)
    assert (found - expected).norm() < 0.02 * expected.norm()
