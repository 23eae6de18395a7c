"""Where nothing happens."""

import cv2
import numpy as np
import pytest

from render.motion.still import REACH, standing_still


def frame(seed=0, height=40, width=50):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_the_same_frame_twice_stands_still_to_its_edges():
    assert standing_still(frame(), frame()).all()


def test_one_changed_pixel_moves_its_surroundings_and_no_more():
    changed = frame()
    changed[20, 25, 1] ^= 1
    moved = ~standing_still(changed, frame())
    rows, columns = np.nonzero(moved)
    assert (rows.min(), rows.max()) == (20 - REACH, 20 + REACH)
    assert (columns.min(), columns.max()) == (25 - REACH, 25 + REACH)
    assert moved.sum() == (2 * REACH + 1) ** 2


def test_noise_of_one_level_never_stands_still():
    noisy = frame() ^ np.random.default_rng(1).integers(0, 2, (40, 50, 3), dtype=np.uint8)
    assert not standing_still(noisy, frame()).any()


def drawn(*, x=0.0, ball=None):
    """A dark shore `x` pixels to the right, before a white sky; a ball may fly in front of it."""
    scene = np.full((96, 128, 3), 255, np.uint8)
    texture = cv2.GaussianBlur(frame(height=50, width=160), (0, 0), 1.5) // 2
    shift = np.array([[1, 0, x - 16], [0, 1, 0]], np.float32)
    scene[60:] = cv2.warpAffine(texture, shift, (128, 50))[:36]
    hills = 50 + np.round(6 * np.sin((np.arange(128) - x) / 6)).astype(int)
    for column, top in enumerate(hills):
        scene[top:60, column] = (30, 60, 20)
    if ball is not None:
        cv2.circle(scene, (ball, 24), 9, (200, 60, 40), -1, cv2.LINE_AA)
    return scene


@pytest.mark.parametrize("step", [0.5, 1.0, 3.0])
def test_a_blown_out_sky_moves_with_the_camera_though_its_pixels_stay_equal(step):
    now, before = drawn(x=step), drawn()
    assert np.all(now == before, axis=2)[:40].all()
    assert standing_still(now, before).mean() < 0.01


def test_behind_what_passes_a_plain_wall_stands_still():
    still = standing_still(drawn(ball=64), drawn(ball=60))
    moved = cv2.dilate(
        (~np.all(drawn(ball=64) == drawn(ball=60), axis=2)).astype(np.uint8),
        np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8),
    )
    np.testing.assert_array_equal(still, moved == 0)
    assert still.mean() > 0.7


def test_bars_beside_a_moving_picture_stand_still():
    now, before = np.zeros((2, 72, 50, 3), np.uint8)
    now[16:56], before[16:56] = frame(1) // 2 + 60, frame(2) // 2 + 60
    still = standing_still(now, before)
    assert still[: 16 - REACH].all()
    assert still[56 + REACH :].all()
    assert not still[16 - REACH : 56 + REACH].any()
