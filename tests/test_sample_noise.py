"""Random fields and ramps of colour."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from render.sample.noise import blur, colour, fractal, mix, ramp, sample, smoothstep, to_picture


def rng():
    return np.random.default_rng(5)


def test_noise_is_centred_and_of_unit_spread():
    field = fractal((256, 256), (8, 8), rng())
    assert abs(field.mean()) < 0.2
    assert 0.7 < field.std() < 1.3


def test_noise_tiles():
    field = fractal((128, 128), (4, 4), rng(), octaves=2)
    inside = np.abs(np.diff(field, axis=1)).max()
    assert np.abs(field[:, 0] - field[:, -1]).max() < 1.5 * inside


def test_noise_is_the_same_picture_at_twice_the_size():
    small = fractal((64, 64), (4, 4), rng(), octaves=3)
    large = fractal((128, 128), (4, 4), rng(), octaves=3)
    halved = large.reshape(64, 2, 64, 2).mean(axis=(1, 3))
    assert np.abs(halved - small).max() < 0.15


def test_later_noise_does_not_depend_on_the_detail_of_earlier_noise():
    first, second = rng(), rng()
    fractal((16, 16), (2, 2), first, octaves=2)
    fractal((64, 64), (2, 2), second, octaves=5)
    np.testing.assert_array_equal(first.random(4), second.random(4))


@given(st.integers(0, 9), st.integers(0, 7), st.integers(-2, 2))
def test_sampling_at_a_pixel_is_its_value_and_wraps(x, y, turns):
    field = rng().random((8, 10)).astype(np.float32)
    assert sample(field, x + 10 * turns, y - 8 * turns) == field[y, x]


def test_sampling_between_pixels_interpolates():
    field = np.array([[0, 1], [2, 3]], np.float32)
    assert sample(field, 0.5, 0.5) == pytest.approx(1.5)


@given(st.floats(0.5, 4), st.floats(-3, 3))
def test_blur_leaves_a_flat_field_alone(sigma, level):
    np.testing.assert_allclose(blur(np.full((9, 11), level), sigma), level, atol=1e-5)


def test_blur_spreads_a_point_by_its_sigma():
    point = np.zeros((41, 41), np.float32)
    point[20, 20] = 1
    spread = blur(point, 2.0)
    offsets = np.arange(41) - 20
    assert spread.sum() == pytest.approx(1, abs=1e-4)
    assert (spread.sum(axis=0) * offsets**2).sum() == pytest.approx(4, rel=0.05)


@given(st.floats(-2, 3))
def test_smoothstep_rises_from_low_to_high_and_falls_the_other_way_round(value):
    rising, falling = smoothstep(0, 1, value), smoothstep(1, 0, value)
    assert 0 <= rising <= 1
    assert rising + falling == pytest.approx(1, abs=1e-5)


def test_a_ramp_passes_through_its_stops():
    stops = ((0.0, "#000000"), (0.5, "#ff0000"), (1.0, "#ffffff"))
    np.testing.assert_allclose(ramp([-1, 0.25, 0.5, 2], stops)[:, 0], [0, 0.5, 1, 1])


def test_mix_goes_from_the_first_to_the_second():
    first = np.zeros((1, 2, 3), np.float32)
    np.testing.assert_allclose(mix(first, colour("#ffffff"), [[0.0, 0.25]])[0, :, 0], [0, 0.25])
    assert mix(first, colour("#ffffff"), 1.0).min() == 1


def test_pictures_are_rounded_and_clipped_to_eight_bits():
    colours = np.array([[[-1.0, 0.5, 2.0]]], np.float32)
    assert to_picture(colours).tolist() == [[[0, 128, 255]]]
    assert to_picture(colours, 1).tolist() == [[[0, 128, 255, 255]]]
