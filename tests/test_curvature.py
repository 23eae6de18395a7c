"""Curvature between stages: a byte a number, and the same bytes for the same pairs."""

import torch

from render.curvature import REACH, pack_pairs, unpack_pairs


def pairs(seed=0, unknowns=3000):
    return torch.randn(1, 2, 2, unknowns, generator=torch.Generator().manual_seed(seed)) * 1e-3


def test_pairs_come_back_within_half_a_step():
    given = pairs()
    given[0, 1] *= 1e4  # every vector has a unit of its own
    back = unpack_pairs(pack_pairs(given))
    step = given.square().mean(-1, keepdim=True).sqrt() * REACH / 127
    assert back.shape == given.shape
    assert ((back - given).abs() <= 0.501 * step).all()


def test_a_number_takes_a_byte():
    assert len(pack_pairs(pairs())) < 1.1 * pairs().numel()


def test_what_stands_out_is_cut_and_leaves_the_rest_its_precision():
    given = pairs()
    given[0, 0, 0, 0] = 1.0
    back = unpack_pairs(pack_pairs(given))
    rest = (back - given)[0, 0, 0, 1:]
    assert 0 < back[0, 0, 0, 0] < 1
    assert rest.square().mean().sqrt() < 1e-3


def test_the_same_pairs_are_the_same_bytes_and_others_are_not():
    assert pack_pairs(pairs()) == pack_pairs(pairs())
    assert pack_pairs(pairs()) != pack_pairs(pairs(seed=1))


def test_pairs_that_are_not_there_stay_zero():
    assert not unpack_pairs(pack_pairs(torch.zeros(1, 2, 2, 10))).any()
