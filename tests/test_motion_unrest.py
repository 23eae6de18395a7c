"""Unrest: what the motion from the frame before does not explain."""

import numpy as np
from conftest import smooth_noise

from render.motion.unrest import noting

WIDE = smooth_noise(200, 90, 1)


def unrest(*pictures):
    noted = []
    assert [*noting(pictures, noted)] == [*pictures]
    return noted


def test_the_first_frame_and_a_still_camera_are_calm():
    assert unrest(WIDE, WIDE, WIDE) == [0, 0, 0]
    assert unrest() == []


def test_a_pan_is_calmer_than_what_cannot_be_followed():
    views = [WIDE[:, 2 * n : 2 * n + 160] for n in range(3)]
    turned = views[2].copy()
    turned[30:60, 60:100] = smooth_noise(40, 30, 2)
    first, pan, other = unrest(views[0], views[1], turned)
    assert first == 0
    assert 0 < pan < 0.2 * other


def test_it_is_in_squares_of_levels():
    black = np.zeros((60, 80, 3), np.uint8)
    assert unrest(black, black + 10)[1] == 100
