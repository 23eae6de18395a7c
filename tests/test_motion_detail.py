"""Detail kept along a chain of warps."""

import cv2
import numpy as np
import pytest
from conftest import smooth_noise

from render.metrics import sharpness
from render.motion.detail import GAIN, detail, keep_detail, level_after
from render.motion.warp import warp

RNG = np.random.default_rng(4)
ALL = np.ones((48, 64), np.float32)


def picture():
    grain = RNG.normal(0, 25, (48, 64, 3))
    return ((smooth_noise(64, 48, seed=5) + grain).clip(0, 255) / 255).astype(np.float32)


def shift(dx):
    return np.full((48, 64, 2), (dx, 0), np.float32)


def energy(values):
    return sharpness((values * 255).round().astype(np.uint8))


def test_a_warp_by_half_a_pixel_gets_back_the_detail_that_it_lost():
    original = picture() * 0.5 + 0.25
    lost = warp(original, shift(0.5))
    kept = keep_detail(lost, original, shift(0.5), ALL)
    assert energy(lost) < 0.9 * energy(original)
    assert abs(detail(kept) / detail(original) - 1) < 0.01


def test_a_chain_goes_a_little_towards_its_level_from_either_side_and_stays_there():
    original = picture() * 0.5 + 0.25
    level = detail(original)
    gained = keep_detail(original, original, shift(0), ALL, 2 * level)
    assert abs(detail(gained) / level - GAIN) < 0.01
    near = keep_detail(original, original, shift(0), ALL, 1.03 * level)
    assert abs(detail(near) / level - 1.03) < 0.01
    there = keep_detail(original, original, shift(0), ALL, level)
    assert np.abs(there - original).max() < 1e-5
    softened = keep_detail(original, original, shift(0), ALL, level / 2)
    assert abs(detail(softened) / level - 1 / GAIN) < 0.01


def test_a_picture_that_came_out_sharper_than_where_it_comes_from_is_softened():
    soft = cv2.GaussianBlur(picture(), (0, 0), 0.7)
    kept = keep_detail(picture(), soft, shift(0), ALL)
    assert detail(soft) < detail(kept) < detail(picture())


def test_a_flat_picture_and_one_that_cannot_be_trusted_anywhere_stay_as_they_are():
    flat = np.full((48, 64, 3), 0.4, np.float32)
    assert np.array_equal(keep_detail(flat, flat, shift(0.5), ALL), flat)
    original = picture()
    warped = warp(original, shift(0.5))
    assert np.array_equal(keep_detail(warped, original, shift(0.5), 0 * ALL), warped)


def test_the_result_stays_within_the_range_of_pixels():
    original = picture().round()
    kept = keep_detail(warp(original, shift(0.5)), original, shift(0.5), ALL)
    assert kept.dtype == np.float32
    assert kept.min() >= 0
    assert kept.max() <= 1


def test_the_level_of_a_still_camera_stays_for_ever():
    assert level_after(0.123, picture(), shift(0)) == 0.123
    noise = RNG.normal(0, 0.2, (48, 64, 2)).astype(np.float32)  # a sensor's, taken for motion
    assert level_after(0.123, picture(), noise) == 0.123


def test_the_level_of_a_pan_becomes_that_of_what_came_into_view():
    scene = np.random.default_rng(0).random((48, 64, 3), np.float32)
    own = detail(scene)
    levels = [own / 3]
    for _ in range(300):
        levels.append(level_after(levels[-1], scene, shift(1)))
    assert levels[0] < levels[100] < levels[-1]
    assert levels[-1] == pytest.approx(own, rel=0.15)
    assert level_after(own / 3, scene, shift(0.3)) > own / 3  # slower than a pixel a frame
    assert level_after(own / 3, scene, shift(100)) == pytest.approx(own, rel=0.1)  # all is new
