"""The curvature pairs of L-BFGS: what they make of a gradient."""

from copy import deepcopy

import pytest
import torch

from render.style.bands import Bands
from render.style.history import FIRST, Pairs

SHAPE = (3, 12, 10)
UNKNOWNS = 3 * 12 * 10
BANDS = Bands(*SHAPE[1:], torch.device("cpu"))


def curving(weights):
    """A quadratic whose curvature is another in each band."""
    return lambda displacement: BANDS.weigh(displacement, weights.expand(len(displacement), -1))


STEEP = curving(torch.logspace(0, 2, BANDS.count, dtype=torch.float64)[None])


def noise(batch, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, UNKNOWNS, generator=generator, dtype=torch.float64)


def filled(number, batch=2, history=6, bands=BANDS):
    """A history after so many pairs, and the last of them."""
    pairs = Pairs(history, noise(batch, 0), bands)
    for seed in range(number):
        s = noise(batch, seed)
        y = STEEP(s)
        push(pairs, s, y)
    return pairs, s, y


def push(pairs, s, y):
    """Offer a pair of each problem."""
    pairs.push_and_solve(s, torch.stack((y, s)), torch.ones(len(s), dtype=torch.bool))
    if slots := pairs.pushed():
        pairs.reweigh(slots)


def solve(pairs, gradient):
    """H·gradient, without taking anything in."""
    nothing = torch.full_like(gradient, torch.nan)
    nobody = torch.zeros(len(gradient), dtype=torch.bool)
    return deepcopy(pairs).push_and_solve(nothing, torch.stack((nothing, gradient)), nobody)[0]


@pytest.mark.parametrize("number", [1, FIRST - 1, FIRST, 2 * FIRST, 2 * FIRST + 3])
@pytest.mark.parametrize("bands", [None, BANDS])
def test_the_newest_pair_is_met(number, bands):
    """The secant equation, H·y = s, whatever H began with and however often that was renewed."""
    pairs, s, y = filled(number, bands=bands)
    torch.testing.assert_close(solve(pairs, y), s)


@pytest.mark.parametrize("number", [2, FIRST, 2 * FIRST + 3])
def test_it_is_symmetric_and_positive(number):
    pairs, _, _ = filled(number)
    a, b = noise(2, 50), noise(2, 51)
    of_a, of_b = solve(pairs, a), solve(pairs, b)
    torch.testing.assert_close((b * of_a).sum(1), (a * of_b).sum(1))
    assert ((a * of_a).sum(1) > 0).all()


def test_the_curvature_of_bands_is_found():
    """Along what no pair has shown, H is nearer to the inverse curvature than one number can be."""
    unseen = noise(2, 60)
    wrong = {}
    for bands in (None, BANDS):
        pairs, _, _ = filled(2 * FIRST, bands=bands)
        wrong[bands] = (solve(pairs, STEEP(unseen)) - unseen).square().mean()
    assert wrong[BANDS] < 0.5 * wrong[None]


def test_the_newest_pairs_come_out_as_they_went_in():
    pairs, s, y = filled(2 * FIRST + 1)
    torch.testing.assert_close(pairs.newest(2)[:, -1], torch.stack((s, y), 1))


def test_a_problem_that_forgets_begins_anew_and_others_do_not():
    pairs, _, y = filled(2 * FIRST)
    kept = solve(pairs, y)[1]
    pairs.forget(torch.tensor([True, False]))
    after = solve(pairs, y)
    torch.testing.assert_close(after[1], kept)
    assert pairs.count.tolist() == [0, 2 * FIRST]
    assert torch.equal(pairs.newest(2)[0], torch.zeros(2, 2, UNKNOWNS, dtype=torch.float64))


def test_a_pair_without_curvature_is_not_taken_in():
    pairs, s, y = filled(3)
    push(pairs, s, -y)
    assert pairs.count.tolist() == [3, 3]
    torch.testing.assert_close(solve(pairs, y), s)


def test_a_problem_alone_is_solved_like_one_among_others():
    together, s, y = filled(2 * FIRST + 1, batch=3)
    alone = Pairs(6, noise(3, 0)[:1], BANDS)
    for seed in range(2 * FIRST + 1):
        s = noise(3, seed)[:1]
        push(alone, s, STEEP(s))
    torch.testing.assert_close(solve(alone, y[:1]), solve(together, y)[:1])


@pytest.mark.parametrize("number", [1, 2, 5])
def test_in_single_precision_a_batch_changes_no_bit(number):
    def drawn(seed):
        numbers = torch.randn(3, 10_752, generator=torch.Generator().manual_seed(seed))
        return numbers * torch.logspace(0, 1, 10_752)

    gradient = drawn(99)
    found = []
    for which in (slice(3), slice(0, 1), slice(1, 2), slice(2, 3)):
        pairs = Pairs(6, gradient[which])
        for seed in range(number):
            push(pairs, drawn(seed)[which], 2 * drawn(seed)[which])
        found.append(solve(pairs, gradient[which]))
    assert torch.equal(found[0], torch.cat(found[1:]))
