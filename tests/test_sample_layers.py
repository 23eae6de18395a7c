"""Layers under affine motions: drawing, and the truth about what is seen where."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from render.sample.layers import Layer, apply, draw, follow, owners, scale, shift, turn

IDENTITY = np.eye(3)
coordinate = st.floats(-100, 100)
points = st.lists(st.tuples(coordinate, coordinate), min_size=1).map(np.array)


def plain(name, width, height, tint, motion, corner=(0, 0)):
    """A layer of one colour, one texel a unit."""
    picture = np.full((height, width, 4), (*tint, 255), np.uint8)
    return Layer(name, picture, corner, 1.0, motion)


@pytest.fixture
def stack():
    """A red square of 4 pixels that moves right by 8 over a still blue ground of 24×16."""
    ground = plain("ground", 24, 16, (0, 0, 255), lambda _: IDENTITY)
    square = plain("square", 4, 4, (255, 0, 0), lambda phase: shift(2 + 8 * phase, 6))
    return ground, square


def centres(width, height):
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    return np.dstack([x, y])


@given(points, st.floats(-360, 360))
def test_a_turn_keeps_distances_and_turns_back(points, degrees):
    turned = apply(turn(degrees), points)
    np.testing.assert_allclose(
        np.linalg.norm(turned, axis=-1), np.linalg.norm(points, axis=-1), atol=1e-9
    )
    np.testing.assert_allclose(apply(turn(-degrees), turned), points, atol=1e-9)


def test_a_quarter_turn_is_clockwise_as_seen():
    np.testing.assert_allclose(apply(turn(90), np.array([[1.0, 0.0]])), [[0, 1]], atol=1e-12)


@given(points, st.floats(0.1, 10), coordinate, coordinate)
def test_an_enlargement_leaves_its_centre_and_multiplies_distances(points, factor, x, y):
    moved = apply(scale(factor, (x, y)), points)
    np.testing.assert_allclose(moved - (x, y), factor * (points - (x, y)), atol=1e-8)


@given(points, st.floats(0, 1), st.floats(0, 1))
def test_following_a_point_there_and_back_returns_to_it(points, first, second):
    layer = plain("any", 2, 2, (0, 0, 0), lambda p: shift(3 * p, 1) @ turn(70 * p) @ scale(1 + p))
    seen = np.zeros(len(points), np.int64)
    there = follow([layer], scale(5), (first, second), points, seen)
    back = follow([layer], scale(5), (second, first), there, seen)
    np.testing.assert_allclose(back, points, atol=1e-8)


def test_the_uppermost_layer_owns_a_pixel(stack):
    seen = owners(stack, IDENTITY, 0.0, centres(24, 16))
    expected = np.zeros((16, 24), int)
    expected[6:10, 2:6] = 1
    np.testing.assert_array_equal(seen, expected)


def test_nothing_owns_a_pixel_beyond_all_layers(stack):
    assert owners(stack, IDENTITY, 0.0, np.array([[30.0, 2.0]])) == -1


def test_each_pixel_moves_with_its_layer(stack):
    here = centres(24, 16)
    seen = owners(stack, IDENTITY, 0.0, here)
    moved = follow(stack, IDENTITY, (0.0, 1.0), here, seen) - here
    np.testing.assert_allclose(moved[6:10, 2:6], np.broadcast_to((8, 0), (4, 4, 2)), atol=1e-12)
    assert np.abs(moved[seen == 0]).max() == 0


@pytest.mark.parametrize("phase", [0.0, 0.5, 1.0])
def test_a_frame_shows_each_layer_in_its_place(stack, phase):
    frame = draw(stack, IDENTITY, 24, 16, phase)
    left = round(2 + 8 * phase)
    inner = frame[7:9, left + 1 : left + 3]
    np.testing.assert_array_equal(inner, np.broadcast_to((255, 0, 0), inner.shape))
    np.testing.assert_array_equal(frame[2, 20], (0, 0, 255))


def test_an_edge_between_pixels_is_smoothed(stack):
    frame = draw(stack, IDENTITY, 24, 16, 1 / 16)
    assert 60 < frame[8, 2, 0] < 195
    assert 60 < frame[8, 6, 0] < 195


def test_a_layer_outside_the_frame_is_not_drawn(stack):
    frame = draw(stack, shift(-30, 0), 24, 16, 0.0)
    assert not frame.any()
