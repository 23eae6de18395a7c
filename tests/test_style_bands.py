"""Bands of frequency: a picture taken apart and weighed, whatever its size."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from render.style.bands import Bands

CPU = torch.device("cpu")


def pictures(height, width, batch=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 3 * height * width, generator=generator, dtype=torch.float64)


def wave(size, periods):
    """A picture of so many periods across."""
    across = torch.arange(size, dtype=torch.float64) * (2 * math.pi * periods / size)
    return across.sin().expand(3, size, size).reshape(1, -1)


sides = st.integers(5, 40)


@settings(max_examples=30, deadline=None)
@given(height=sides, width=sides)
def test_weights_of_one_change_nothing(height, width):
    bands, given = Bands(height, width, CPU), pictures(height, width)
    ones = torch.ones(2, bands.count, dtype=torch.float64)
    torch.testing.assert_close(bands.weigh(given, ones), given)


@settings(max_examples=30, deadline=None)
@given(height=sides, width=sides, seed=st.integers(0, 99))
def test_weighing_is_symmetric_and_keeps_the_sign(height, width, seed):
    bands = Bands(height, width, CPU)
    weights = torch.rand(1, bands.count, dtype=torch.float64).expand(2, -1) + 0.01
    a, b = pictures(height, width, seed=seed), pictures(height, width, seed=seed + 1)
    torch.testing.assert_close(
        (a * bands.weigh(b, weights)).sum(1), (b * bands.weigh(a, weights)).sum(1)
    )
    assert ((a * bands.weigh(a, weights)).sum(1) > 0).all()


def test_the_reciprocal_weights_undo_the_weights():
    bands, given = Bands(20, 31, CPU), pictures(20, 31)
    weights = torch.rand(2, bands.count, dtype=torch.float64) + 0.1
    torch.testing.assert_close(bands.weigh(bands.weigh(given, weights), 1 / weights), given)


def test_every_picture_of_a_batch_has_weights_of_its_own():
    bands, given = Bands(16, 16, CPU), pictures(16, 16)
    weights = torch.stack([torch.ones(bands.count), torch.full((bands.count,), 3.0)]).double()
    torch.testing.assert_close(bands.weigh(given, weights), given * weights[:, :1])


@pytest.mark.parametrize("size", [64, 96, 256])
def test_the_same_detail_is_in_the_same_band_whatever_the_size(size):
    bands = Bands(size, size, CPU)
    for number, pixels in ((1, 2.1), (2, 3.5), (3, 6), (4, 10)):
        assert bands.energy(wave(size, size / pixels))[0].argmax() == number


def test_a_wave_is_moved_by_the_weight_of_its_band_alone():
    bands, given = Bands(64, 64, CPU), wave(64, 8)
    weights = torch.ones(1, bands.count, dtype=torch.float64)
    weights[0, bands.energy(given)[0].argmax()] = 5
    torch.testing.assert_close(bands.weigh(given, weights), 5 * given)


def test_a_picture_of_a_few_pixels_has_bands_too():
    bands = Bands(2, 3, CPU)
    assert bands.energy(pictures(2, 3)).shape == (2, bands.count)
