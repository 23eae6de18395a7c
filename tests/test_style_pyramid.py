"""Sizes and budgets of the scales."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from render.style import pyramid

side = st.integers(32, 4000)


@given(width=side, height=side)
def test_scales_double_up_to_the_pictures_own_size(width, height):
    sizes = pyramid.scale_sizes(width, height, smallest_side=64)
    assert sizes[-1] == (width, height)
    for (w, h), (next_w, next_h) in itertools.pairwise(sizes):
        assert abs(next_w - 2 * w) <= 1
        assert abs(next_h - 2 * h) <= 1
    for w, h in sizes[:-1]:
        assert max(w, h) >= pyramid.COARSEST
        assert min(w, h) >= 63


@given(evaluations=st.integers(1, 2000), scales=st.integers(1, 8))
def test_every_evaluation_goes_to_a_scale(evaluations, scales):
    shares = pyramid.share_evaluations(evaluations, scales)
    assert len(shares) == scales
    assert all(share >= 1 for share in shares)
    assert sum(shares) == max(evaluations, scales)
    assert shares == sorted(shares, reverse=True)


@given(width=side, height=side, long_side=st.integers(16, 5000))
def test_fitting_keeps_the_shape_and_never_enlarges(width, height, long_side):
    w, h = pyramid.fit_size(width, height, long_side)
    assert max(w, h) == min(long_side, max(width, height))
    assert w <= width
    assert h <= height
    assert abs(w * height - h * width) <= max(width, height)


def test_resizing_averages_what_it_shrinks():
    stripes = torch.tensor([0.0, 1.0]).repeat(32).expand(1, 3, 16, 64)
    small = pyramid.resize(stripes, 16, 4)
    torch.testing.assert_close(small, torch.full((1, 3, 4, 16), 0.5), atol=0.06, rtol=0)


def test_resizing_to_the_same_size_changes_nothing():
    picture = torch.rand(1, 3, 8, 8)
    assert pyramid.resize(picture, 8, 8) is picture


@given(width=side, height=side, factor=st.sampled_from([2.0, 2**0.5, 1.4142]))
def test_scales_grow_by_the_factor_that_is_asked_for(width, height, factor):
    sizes = pyramid.scale_sizes(width, height, 64, factor)
    for (w, h), (next_w, next_h) in itertools.pairwise(sizes):
        assert abs(next_w - factor * w) <= 1.5
        assert abs(next_h - factor * h) <= 1.5


@given(width=side, height=side, count=st.integers(1, 9))
def test_there_are_at_most_as_many_scales_as_asked_for_and_none_too_small(width, height, count):
    sizes = pyramid.scale_sizes(width, height, 64, 2.0, count)
    assert 1 <= len(sizes) <= count
    assert sizes[-1] == (width, height)
    assert all(min(size) >= 63 for size in sizes[:-1])
    if len(sizes) < count:
        assert min(sizes[0]) / 2 < 65


def test_shares_are_the_budgets_of_the_scales():
    assert pyramid.share_evaluations(300, 2, shares=(200, 100)) == [200, 100]
    assert pyramid.share_evaluations(90, 3, shares=(3, 2, 1)) == [45, 30, 15]


def test_a_picture_with_fewer_scales_has_the_shares_of_the_finest():
    assert pyramid.share_evaluations(90, 2, shares=(7, 2, 1)) == [60, 30]


def test_budgets_fall_as_fast_by_size_whatever_the_factor():
    whole = pyramid.share_evaluations(10_000, 2)
    steps = pyramid.share_evaluations(10_000, 3, 2**0.5)
    assert steps[2] / steps[0] == pytest.approx(whole[1] / whole[0], rel=1e-3)
