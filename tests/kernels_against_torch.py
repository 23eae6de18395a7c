"""Our kernels against torch: on a GPU, or as Triton's interpreter runs them; see test_style_kernels.py.

The interpreter gets products of bfloat16 wrong, and so has the other half precision.
"""

import os
from copy import deepcopy

import pytest
import torch
from torch.nn import functional

from render.style import algebra, vectors
from render.style.bands import Bands
from render.style.kernels import algebra as compiled_algebra
from render.style.kernels import features, pixels, pool
from render.style.kernels import vectors as compiled_vectors
from render.style.lbfgs import minimize
from render.style.losses import total_variation
from render.style.products import with_products

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = torch.device("cpu" if INTERPRETED else "cuda")
HALF, ROUNDING = (torch.float16, 4e-3) if INTERPRETED else (torch.bfloat16, 2e-2)
PLAIN, COMPILED = vectors.Vectors(), compiled_vectors.Compiled()
UNKNOWNS, HISTORY = 3 * 20 * 19, 6


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE)


def last(x):
    return x.contiguous(memory_format=torch.channels_last)


def close(found, expected, tolerance=1e-5):
    torch.testing.assert_close(
        found, expected.to(found.dtype), rtol=tolerance, atol=tolerance, check_stride=False
    )


@pytest.fixture(autouse=True)
def few_parts(monkeypatch):
    """Every part is a program, which the interpreter runs one after the other."""
    monkeypatch.setattr(compiled_vectors, "_PARTS", 3)


@pytest.mark.parametrize("precision", [torch.float32, HALF])
@pytest.mark.parametrize(("largest", "relu"), [(True, False), (True, True), (False, False)])
@pytest.mark.parametrize("shape", [(2, 16, 8, 6), (1, 8, 9, 7), (1, 40, 17, 18)])
def test_pooling(shape, largest, relu, precision):
    x = last(draw(*shape).to(precision))
    wide = x.float().requires_grad_()
    expected = functional.max_pool2d(wide, 2) if largest else functional.avg_pool2d(wide, 2)
    expected = functional.relu(expected) if relu else expected
    towards = draw(*expected.shape).to(precision)
    (gradient,) = torch.autograd.grad(expected, wide, towards.float())
    found, which = pool.pool(x, largest=largest, relu=relu)
    assert found.is_contiguous(memory_format=torch.channels_last)
    close(found.float(), expected, ROUNDING if precision == HALF else 1e-6)
    close(pool.unpool(towards, which, x.shape), gradient, ROUNDING if precision == HALF else 1e-6)


@pytest.mark.parametrize("largest", [True, False])
def test_pooling_passes_on_what_is_not_a_number(largest):
    x = last(draw(1, 8, 8, 8))
    x[0, 3, 3, 3] = float("nan")
    assert pool.pool(x, largest=largest, relu=largest)[0].isnan().sum() == 1


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("shape", [(1, 3, 16, 16), (2, 3, 19, 23), (1, 3, 2, 70)])
def test_the_first_convolution_and_its_gradient(shape, relu):
    shown = draw(*shape).sigmoid().requires_grad_()
    kernel, bias = (draw(64, 3, 3, 3) / 5).to(HALF), (draw(64, seed=1) / 5).to(HALF)
    taps = functional.pad(kernel.permute(2, 3, 1, 0).flatten(0, 2), (0, 0, 0, features.TAPS - 27))
    around = functional.pad(shown.to(HALF).float(), (1,) * 4, "replicate")
    expected = functional.conv2d(around, kernel.float(), bias.float())
    expected = functional.relu(expected) if relu else expected
    found = features.first(shown.detach(), taps, bias, relu=relu)
    assert found.is_contiguous(memory_format=torch.channels_last)
    close(found.float(), expected, ROUNDING)
    towards = draw(*expected.shape, seed=2).to(HALF)
    (gradient,) = torch.autograd.grad(expected, shown, towards.float())
    close(features.first_gradient(towards, taps, found if relu else None), gradient, 4 * ROUNDING)


@pytest.mark.parametrize("channels", [64, 128, 256])
def test_the_gradient_of_products_joins_another_behind_a_relu(channels):
    shape = 2, channels, 15, 20
    x, onward = (last(draw(*shape, seed=seed).to(HALF)) for seed in (0, 1))
    x, towards = x.relu(), draw(2, channels, channels, seed=2).to(HALF)
    wide = x.float().requires_grad_()
    same, products = with_products(wide, 0.5, relu=True)
    (expected,) = torch.autograd.grad(
        [same, products], wide, [last(onward.float()), towards.float()]
    )
    rows = [of.permute(0, 2, 3, 1).flatten(1, 2) for of in (x, onward.clone())]
    both = (towards.float() + towards.float().mT).to(HALF)
    features.products_gradient(rows[0], both, rows[1], 0.5)
    close(rows[1].float(), expected.permute(0, 2, 3, 1).flatten(1, 2), 4 * ROUNDING)


@pytest.mark.parametrize("batch", [1, 3])
def test_parts_of_products_are_summed(batch):
    parts, rest = draw(batch, 7, 24, 24).to(HALF), draw(batch, 24, 24, seed=1).to(HALF)
    close(features.summed(parts, None, 0.3), 0.3 * parts.float().sum(1))
    close(features.summed(parts, rest, 0.3), 0.3 * (parts.float().sum(1) + rest.float()))


def test_total_variation_and_its_gradient():
    shown = draw(2, 3, 37, 41).requires_grad_()
    expected = total_variation(shown)
    (gradient,) = torch.autograd.grad(expected.sum(), shown)
    loss, slope = pixels.variation(shown.detach())
    close(loss, expected.detach())
    close(slope, gradient)


@pytest.mark.parametrize("batch", [1, 3])
def test_differences_of_features(batch):
    a, b = (last(draw(batch, 5, 9, 11, seed=seed).to(HALF)) for seed in (0, 1))
    sums, found = pixels.difference(a, b)
    assert torch.equal(found, a - b)
    close(sums, (a - b).float().square().sum((1, 2, 3)))


def test_differences_from_one_for_all():
    a, b = draw(3, 20, 20), draw(20, 20, seed=1)
    sums, found = pixels.difference(a, b)
    close(found, a - b)
    close(sums, (a - b).square().sum((1, 2)))


def test_every_sample_has_a_factor():
    a, factors = last(draw(3, 5, 9, 11).to(HALF)), draw(3, 2, seed=1)[:, 0]
    found = pixels.scaled(a, factors, 2.0)
    assert found.stride() == a.stride()
    close(found.float(), 2 * factors[:, None, None, None] * a.float(), ROUNDING)


@pytest.mark.parametrize("batch", [1, 3])
def test_bands_of_a_spectrum(batch):
    bands = Bands(12, 10, DEVICE)
    spectrum, weights = torch.fft.rfft2(draw(2, batch, 3, 12, 10)), draw(batch, bands.count).exp()
    expected = spectrum * weights[:, bands._index][:, None]
    pixels.weigh(spectrum, bands._index, weights)
    close(torch.view_as_real(spectrum), torch.view_as_real(expected))


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_inner_products_with_what_is_held(batch, count):
    rings = [draw(HISTORY + 1, batch, UNKNOWNS, seed=seed) for seed in (0, 1)]
    these = draw(count, batch, UNKNOWNS, seed=2)
    for some in (rings, rings[:1]):
        found, expected = (by.dots(these, some, HISTORY) for by in (COMPILED, PLAIN))
        assert found.shape == (batch, count, len(some), HISTORY)
        close(found, expected, 1e-3)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_inner_products(batch, count):
    pairs = [[draw(batch, UNKNOWNS, seed=2 * n + k) for k in (0, 1)] for n in range(count)]
    close(COMPILED.inner(*pairs), PLAIN.inner(*pairs), 1e-3)


@pytest.mark.parametrize("batch", [1, 3])
def test_combinations(batch):
    rings = draw(HISTORY + 1, batch, UNKNOWNS), draw(HISTORY + 1, batch, UNKNOWNS, seed=1)
    weights, vector, scale = draw(batch, 2 * HISTORY), draw(batch, UNKNOWNS), draw(batch)
    found, expected = (
        by.combined(rings, weights, HISTORY, vector, scale) for by in (COMPILED, PLAIN)
    )
    close(found, expected, 1e-4)


def test_what_a_step_does_to_the_vectors():
    good = torch.tensor([True, False, True], device=DEVICE)
    point, direction, length = draw(3, UNKNOWNS).sigmoid(), draw(3, UNKNOWNS, seed=1), draw(3).exp()
    found, expected = (by.advance(point, direction, length, (0, 1)) for by in (COMPILED, PLAIN))
    for a, b in zip(found, expected, strict=True):
        close(a, b)
    trial, fresh = found[0], draw(3, UNKNOWNS, seed=2)
    state = [draw(2, 3, UNKNOWNS, seed=seed).clamp(0, 1) for seed in (3, 4, 5, 6)]
    slot, count = (torch.tensor(of, device=DEVICE) for of in ([1, 0, 1], [0, 3, 2]))
    square = draw(3, seed=7).exp()
    after = []
    for by in (COMPILED, PLAIN):
        points, gradients, both, directions = deepcopy(state)
        by.accept(good, trial, fresh, points, gradients, both, (0, 1))
        by.turn(good, fresh.clone(), both[1], square, count, 0.01, directions)
        places = deepcopy(state[0])
        by.put(places, slot, fresh)
        after.append([points[0], gradients[0], both, directions[0], places])
    for a, b in zip(*after, strict=True):
        close(a, b)


def test_which_trials_are_good():
    batch, nan, infinite = 40, float("nan"), float("inf")
    fresh, slope, square, loss = (draw(batch, seed=seed) for seed in range(4))
    fresh[1], square[2], square[3], slope[4] = nan, infinite, nan, 0.0
    trials, stopped = torch.arange(batch, device=DEVICE) % 8, draw(batch, seed=4) > 1
    found = []
    for by in (compiled_algebra.Compiled(), algebra.Algebra()):
        state = loss.clone(), trials.clone(), draw(batch, seed=5).exp()
        found.append([*by.judge(fresh, slope, square, *state, stopped), *state])
    for a, b in zip(*found, strict=True):
        close(a, b)
    assert all(decided.any() for decided in found[0][:2])


def test_which_pairs_are_taken_in():
    sy, yy = draw(40), 1e8 * draw(40, seed=1).exp()
    sy[0], yy[1] = float("nan"), float("nan")
    offered, count = draw(40, seed=2) > 0, torch.arange(40, device=DEVICE)
    found = [
        by.admit(sy, yy, offered, count, HISTORY)
        for by in (compiled_algebra.Compiled(), algebra.Algebra())
    ]
    for a, b in zip(*found, strict=True):
        assert torch.equal(a, b)
    assert 0 < found[0][0].sum() < offered.sum()


def curving(batch):
    """A quadratic for each problem, whose curvature spans two orders of magnitude."""
    curvature = torch.logspace(0, 2, UNKNOWNS, device=DEVICE)[draw(UNKNOWNS).argsort()]
    goal = draw(batch, UNKNOWNS, seed=7).sigmoid()

    def closure(points):
        away = points - goal
        return (curvature * away.square()).sum(1) / 2, curvature * away

    return closure


def test_a_whole_search(monkeypatch):
    """Long enough for the history to be full, and for bands to be looked at twice."""
    start, bands = torch.full((2, UNKNOWNS), 0.5, device=DEVICE), Bands(20, 19, DEVICE)
    closure = curving(2)
    given = minimize(closure, start, evaluations=4, history=HISTORY).pairs
    found = []
    for of_vectors, of_numbers in (
        (COMPILED, compiled_algebra.Compiled()),
        (PLAIN, algebra.Algebra()),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(vectors, "fastest", lambda _, by=of_vectors: by)
            patch.setattr(algebra, "fastest", lambda *_, by=of_numbers: by)
            run = minimize(
                closure, start, evaluations=10, history=HISTORY, bands=bands, pairs=given
            )
            found.append(run.trace)
    assert found[1][-1].max() < found[1][0].min() / 10
    torch.testing.assert_close(*found, rtol=2e-2, atol=1e-4 * float(found[1][0].max()))
