"""Areas and guides."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from render.style.guides import feather, guide, shares, without_overlap


def disc(width=40, height=30, radius=9.0):
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    inside = (x - width / 2) ** 2 + (y - height / 2) ** 2 < radius**2
    return inside.float()[None, None]


@given(height=st.integers(2, 30), width=st.integers(2, 40))
def test_the_squares_of_a_guide_sum_to_one_at_every_size(height, width):
    total = guide(disc(), height, width).square().sum()
    torch.testing.assert_close(total, torch.tensor(1.0))


def test_a_position_counts_as_much_as_its_pixels_on_average():
    area = torch.zeros(1, 1, 4, 4)
    area[..., :2, :2] = 1
    area[..., 2:, 2:] = 0.5
    squares = guide(area, 2, 2).square()[0, 0]
    torch.testing.assert_close(squares, torch.tensor([[2 / 3, 0], [0, 1 / 3]]))


def test_an_empty_area_has_a_guide_of_nothing():
    assert guide(torch.zeros(1, 1, 8, 8), 4, 4).abs().max() == 0


def test_shares_sum_to_one_sample_by_sample():
    first = torch.cat((torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)))
    second = torch.ones(2, 1, 4, 4)
    one, two = shares([first, second])
    torch.testing.assert_close(one, torch.tensor([0.5, 0.0]))
    torch.testing.assert_close(two, torch.tensor([0.5, 1.0]))
    assert all(torch.equal(each, torch.zeros(1)) for each in shares([torch.zeros(1, 1, 2, 2)] * 2))


def test_areas_that_overlap_are_shared_and_others_stay():
    left, both = torch.zeros(1, 1, 1, 2), torch.ones(1, 1, 1, 2)
    left[..., 0] = 1
    first, second = without_overlap([left, both])
    torch.testing.assert_close(first.flatten(), torch.tensor([0.5, 0.0]))
    torch.testing.assert_close(second.flatten(), torch.tensor([0.5, 1.0]))


def test_feathering_softens_the_edge_and_keeps_the_size():
    area = disc()
    soft = feather(area, 6)
    assert soft.shape == area.shape
    assert soft.sum().item() == pytest.approx(area.sum().item(), rel=1e-3)
    assert soft.diff(dim=3).abs().max() < 0.3
    assert soft[0, 0, 15, 20] > 0.95
    assert torch.equal(feather(area, 0), area)


def test_areas_that_fill_a_picture_together_still_do_when_feathered():
    top = torch.zeros(1, 1, 20, 12)
    top[..., :9, :] = 1
    torch.testing.assert_close(feather(top, 5) + feather(1 - top, 5), torch.ones(1, 1, 20, 12))


def test_feathering_wider_than_the_picture_is_no_error():
    assert torch.isfinite(feather(disc(6, 5, 2), 100)).all()
