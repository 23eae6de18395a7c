"""Where nothing happens."""

import numpy as np

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
