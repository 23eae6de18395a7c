"""Detail kept along a chain of warps."""

import cv2
import numpy as np
import pytest
from conftest import smooth_noise

from render.metrics import sharpness
from render.motion.detail import GAIN, OVERSHOOT, anew, energy_map, keep_detail, known, seen
from render.motion.warp import warp

RNG = np.random.default_rng(4)
ALL = np.ones((48, 64), np.float32)


def picture():
    grain = RNG.normal(0, 25, (48, 64, 3))
    return ((smooth_noise(64, 48, seed=5) + grain).clip(0, 255) / 255).astype(np.float32)


def shift(dx):
    return np.full((48, 64, 2), (dx, 0), np.float32)


def detail(values):
    return float(energy_map(values).mean(dtype=np.float64))


def everywhere(value):
    return np.full((48, 64), value, np.float32)


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
    gained = keep_detail(original, original, shift(0), ALL, everywhere(2 * level))
    assert abs(detail(gained) / level - GAIN) < 0.01
    near = keep_detail(original, original, shift(0), ALL, everywhere(1.03 * level))
    assert abs(detail(near) / level - 1.03**OVERSHOOT) < 0.01
    there = keep_detail(original, original, shift(0), ALL, everywhere(level))
    assert np.abs(there - original).max() < 1e-5
    softened = keep_detail(original, original, shift(0), ALL, everywhere(level / 2))
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


def test_what_is_expected_of_the_frame_in_which_it_was_seen_is_what_is_there():
    content, painting = picture(), cv2.GaussianBlur(picture(), (0, 0), 0.6)
    expected = seen(content, painting).expected(content)
    assert expected.shape == (48, 64)
    assert expected.mean() == pytest.approx(detail(painting), rel=1e-4)


def test_a_painting_of_finer_content_is_expected_to_be_finer():
    """Strokes everywhere, and forms where the content has some."""
    strokes = RNG.normal(0, 0.03, (48, 64, 3)).astype(np.float32)
    content = smooth_noise(64, 48, seed=5) / np.float32(255)
    content[:, 32:] = picture()[:, 32:]
    known = seen(content, content * 0.7 + 0.1 + strokes)
    finer = 0.5 * content + 0.5 * picture()
    assert known.base > 0.5 * detail(strokes)
    assert known.slope == pytest.approx(0.49, rel=0.15)
    actual = detail(finer * 0.7 + 0.1 + strokes)
    assert known.expected(finer).mean() == pytest.approx(actual, rel=0.1)


def test_a_frame_that_is_nearly_flat_says_nothing_of_the_scene_that_fades_in():
    black = np.full((48, 64, 3), 0.01, np.float32)
    painting = picture()
    known = seen(black, painting)
    assert known.expected(painting) is None
    assert known.expected(black).mean() == pytest.approx(detail(painting), rel=1e-4)
    known = seen(painting, painting)
    assert known.expected(0.1 * painting) is None
    assert known.expected(0.9 * painting) is not None


def test_nothing_is_expected_to_be_negative():
    content = picture()
    content[:, 32:] = 0.5
    known = seen(content, content[:, ::-1])  # detail where the content has none
    assert known.slope == 0
    assert known.base > 0
    known = seen(content, (content - 0.5) * np.linspace(0, 1, 64, dtype=np.float32)[::-1, None])
    assert known.base >= 0
    assert known.slope > 0


def test_what_a_probe_shows_is_brought_to_what_the_chain_has_by_its_share():
    """The chain's first frame has 0.6 of the detail of the probe of it, and so have those behind it."""
    first, later = picture(), picture()[::-1]
    first_probe, later_probe = 0.9 * first, 0.7 * later
    begun = anew(first, first_probe * np.float32(0.6**0.5), seen(first, first_probe))
    assert begun.share == pytest.approx(0.6, rel=1e-4)
    assert begun.expected(first).mean() == pytest.approx(0.6 * detail(first_probe), rel=1e-4)
    then = known(begun, seen(later, later_probe))
    assert then.expected(later).mean() == pytest.approx(0.6 * detail(later_probe), rel=1e-4)
    assert known(then, None) == then


def test_without_a_share_a_probe_says_nothing_before_it_is_held_against_a_painting():
    content, painting = picture(), picture()
    own, probe = seen(content, painting), seen(content, 0.8 * painting)
    assert known(own, probe) is None
    assert known(None, probe) is None
    assert known(own, None) == own
    after = anew(content, painting, probe)
    assert after.share == pytest.approx(1 / 0.64, rel=1e-4)


@pytest.mark.parametrize("part", [0, 0.01, 0.3])
def test_paintings_with_next_to_no_detail_or_much_less_are_no_measure_of_others(part):
    content, painting = picture(), picture()
    dull = np.float32(part) * painting
    for one, other in ((dull, painting), (painting, dull)):
        there = anew(content, one, seen(content, other))
        assert there == seen(content, one)
        assert there.share is None
