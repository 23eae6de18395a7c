import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from render.errors import EngineError
from render.motion.flow import estimate_flow
from render.motion.reliability import (
    boundary_trust,
    occlusions,
    outside_frame,
    reliability_mask,
    relit,
    unlike,
)
from render.sample import SampleClip


def still(width: int = 60, height: int = 40) -> np.ndarray:
    return np.zeros((height, width, 2), np.float32)


def shifted(dx: float, dy: float, width: int = 60, height: int = 40) -> np.ndarray:
    return np.full((height, width, 2), (dx, dy), np.float32)


def hard_mask(flow: np.ndarray, reverse: np.ndarray) -> np.ndarray:
    return np.where(occlusions(flow, reverse) | outside_frame(flow), 0, boundary_trust(flow))


def test_everything_is_reliable_where_nothing_moves():
    assert (reliability_mask(still(), still()) == 1).all()


def test_a_steady_pan_is_reliable_but_for_what_comes_into_the_frame():
    mask = reliability_mask(shifted(7, 0), shifted(-7, 0))
    assert (mask[:, -7:] == 0).all()
    assert (mask[:, :-12] == 1).all()


@pytest.mark.parametrize(("dx", "reliable"), [(0.5, True), (0.51, False)])
def test_the_frame_ends_half_a_pixel_beyond_the_centre_of_its_last_pixel(dx, reliable):
    assert outside_frame(shifted(dx, 0))[0, -1] != reliable
    assert outside_frame(shifted(-dx, 0))[0, 0] != reliable
    assert outside_frame(shifted(0, dx))[-1, 0] != reliable
    assert outside_frame(shifted(0, -dx))[0, 0] != reliable


@pytest.mark.parametrize(
    ("there", "back", "occluded"),
    [
        (0.0, 0.7, False),  # 0.49 < 0.01 · 0.49 + 0.5
        (0.0, 0.72, True),  # 0.5184 ≥ 0.01 · 0.5184 + 0.5
        (10.0, -8.6, False),  # 1.96 < 0.01 · (100 + 73.96) + 0.5
        (10.0, -8.4, True),  # 2.56 ≥ 0.01 · (100 + 70.56) + 0.5
        (3.0, -3.0, False),
        (3.0, 3.0, True),
    ],
)
def test_occluded_is_what_does_not_come_back(there, back, occluded):
    assert (occlusions(shifted(there, 0), shifted(back, 0)) == occluded).all()


def test_the_reverse_flow_is_read_where_the_flow_leads():
    reverse = still()
    reverse[:, 20:] = (-5, 0)
    flow = still()
    flow[:, 15:] = (5, 0)
    occluded = occlusions(flow, reverse)
    assert not occluded[:, :15].any()
    assert not occluded[:, 15:55].any()
    reverse[:, 30] = (5, 0)
    assert occlusions(flow, reverse)[:, 25].all()


def test_errors_of_a_flow_that_was_measured_smaller_are_forgiven_in_proportion():
    flow, reverse = shifted(0, 0, 1920, 16), shifted(1.3, 0, 1920, 16)
    assert not occlusions(flow, reverse).any()
    assert occlusions(flow[:, :960], reverse[:, :960]).all()


@pytest.mark.parametrize(
    ("slope", "offset", "trust"),
    [
        (0.126, 0.0, 1),  # 0.0159 < 0.016
        (0.2, 0.0, 0.16),  # (0.016 / 0.04)²
        (0.4, 0.0, 0.01),  # (0.016 / 0.16)²
        (0.2, 10.0, 1),  # 0.04 < 0.01 · 100
    ],
)
def test_a_flow_is_trusted_the_less_the_steeper_it_is_for_its_motion(slope, offset, trust):
    flow = shifted(offset, 0)
    flow[..., 0] += slope * (np.arange(60) - 30)
    assert boundary_trust(flow)[20, 30] == pytest.approx(trust, rel=1e-4)


def test_both_sides_of_a_jump_in_the_flow_are_a_motion_boundary():
    flow = still()
    flow[:, 30:, 1] = 4
    columns = np.flatnonzero(boundary_trust(flow)[20] < 1)
    assert set(columns) == {29, 30}


def test_motion_boundaries_can_be_trusted_but_occlusions_cannot():
    stretched = still()
    stretched[..., 0] = 0.2 * np.arange(60)
    back = -stretched / 1.2
    rather_not = reliability_mask(stretched, back)[:, 1:6]
    assert ((rather_not > 0) & (rather_not < 0.3)).all()
    assert (reliability_mask(stretched, back, boundaries=True)[:, :40] == 1).all()
    assert (reliability_mask(stretched, stretched, boundaries=True)[:, 10:] == 0).all()


@settings(deadline=None, max_examples=30, derandomize=True)
@given(
    seed=st.integers(0, 1000),
    width=st.integers(1, 50),
    height=st.integers(1, 50),
    size=st.floats(0, 10),
)
def test_smoothing_only_lowers_the_mask_and_never_leaves_0_to_1(seed, width, height, size):
    rng = np.random.default_rng(seed)
    flow = cv2.GaussianBlur(
        rng.normal(0, size, (height, width, 2)).astype(np.float32), (0, 0), 3
    ).reshape(height, width, 2)
    reverse = rng.normal(0, size / 5, flow.shape).astype(np.float32) - flow
    mask = reliability_mask(flow, reverse)
    assert mask.shape == (height, width)
    assert mask.dtype == np.float32
    assert mask.min() >= 0
    assert (mask <= hard_mask(flow, reverse)).all()


def test_the_mask_rises_inward_from_a_border():
    mask = reliability_mask(shifted(7, 0, 512, 40), shifted(-7, 0, 512, 40))[20]
    edge = 512 - 7
    assert mask[edge] == 0
    assert 0.4 < mask[edge - 1] < mask[edge - 2] < mask[edge - 4] < 1
    assert mask[edge - 10] == pytest.approx(1)


def test_a_square_that_moved_hides_what_it_covers():
    """The exact flows of a square that moved by 8 pixels over a still ground."""
    flow, reverse = still(96, 64), still(96, 64)
    flow[20:40, 48:68] = (-8, 0)  # now at 48, before at 40
    reverse[20:40, 40:60] = (8, 0)
    mask = reliability_mask(flow, reverse)
    assert (mask[20:40, 40:48] == 0).all()  # uncovered ground
    assert (mask[24:36, 52:64] > 0.99).all()  # the square itself
    assert (mask[:15] == 1).all()
    assert (mask[45:] == 1).all()
    assert mask.mean() > 0.9


def test_the_mask_of_an_estimated_flow_hugs_what_a_moving_square_covers():
    rng = np.random.default_rng(0)
    ground, square = (
        cv2.GaussianBlur(rng.uniform(0, 255, (72, 128, 3)).astype(np.float32), (0, 0), 2) * s
        for s in (1.0, 1.4)
    )
    before, after = ground.copy(), ground.copy()
    before[20:50, 40:70] = square[20:50, 40:70]
    after[20:50, 48:78] = square[20:50, 40:70]
    before, after = (np.clip(p, 0, 255).astype(np.uint8) for p in (before, after))
    mask = reliability_mask(estimate_flow(after, before), estimate_flow(before, after))
    assert mask[24:46, 41:47].mean() < 0.3
    assert mask[28:42, 56:70].mean() > 0.9
    far = np.ones(mask.shape, bool)
    far[10:60, 30:88] = False
    assert mask[far].mean() > 0.95


def test_the_mask_finds_the_occlusions_of_the_sample_clip():
    """Against the truth. Most that is hidden here is a pixel wide (reeds, leaves), too thin for an
    optical flow; of what is three pixels wide or more, over half is found.
    """
    clip = SampleClip(width=256, height=144)
    hidden, broad, wrong, shown = [], [], [], []
    for t in (3, 8, 17, 22):
        frame, before = clip.frame(t), clip.frame(t - 1)
        flow, reverse = estimate_flow(frame, before), estimate_flow(before, frame)
        trust = reliability_mask(flow, reverse) > 0.5
        seen = clip.visible(t, t - 1)
        gone = (~seen).astype(np.uint8)
        error = np.hypot(*np.moveaxis(flow - clip.flow(t, t - 1), -1, 0))
        hidden.append(~trust[~seen])
        broad.append(~trust[cv2.morphologyEx(gone, cv2.MORPH_OPEN, np.ones((3, 3))) > 0])
        wrong.append(~trust[seen & (error > 1)])
        shown.append(~trust[seen])
    share = {
        name: float(np.concatenate(values).mean())
        for name, values in (
            ("hidden", hidden),
            ("broad", broad),
            ("wrong", wrong),
            ("shown", shown),
        )
    }
    assert share["shown"] < 0.2, share
    assert share["hidden"] > max(0.2, 1.5 * share["shown"]), share
    assert share["broad"] > 0.45, share
    assert share["wrong"] > 0.4, share


def test_the_mask_is_the_same_to_the_byte_whatever_the_number_of_threads():
    rng = np.random.default_rng(2)
    flow = cv2.GaussianBlur(rng.normal(0, 20, (217, 333, 2)).astype(np.float32), (0, 0), 4)
    threads = cv2.getNumThreads()
    results = set()
    try:
        for count in (1, 2, 5, 1):
            cv2.setNumThreads(count)
            results.add(reliability_mask(flow, -flow).tobytes())
    finally:
        cv2.setNumThreads(threads)
    assert len(results) == 1


def test_flows_of_different_sizes_are_refused():
    with pytest.raises(EngineError, match="two flows of one size"):
        reliability_mask(still(), still(61))


def test_noise_is_like_a_picture_and_another_light_is_not():
    picture = np.random.default_rng(0).random((40, 60, 3), np.float32) * 0.5
    noise = np.random.default_rng(1).normal(0, 0.03, picture.shape).astype(np.float32)
    assert not unlike(picture, picture + noise).any()
    assert unlike(picture, picture + 0.25).all()
    half = picture.copy()
    half[:, 30:] += 0.25
    assert not unlike(picture, half)[:, :28].any()
    assert unlike(picture, half)[:, 32:].all()


def test_light_that_changes_by_a_twelfth_is_another_and_slower_light_is_not():
    rng = np.random.default_rng(0)
    scene = rng.random((40, 60, 3), np.float32)
    everywhere = np.ones((40, 60), np.float32)
    for slower, faster in ((0.98, 11 / 12), (1.02, 12 / 11)):
        assert not relit(scene, slower * scene, everywhere)
        assert relit(scene, faster * scene, everywhere)
    assert not relit(scene, scene * 11 / 12, everywhere, steps=2)
    assert relit(scene, scene / 2, everywhere, steps=30)


def test_neither_noise_nor_what_is_not_trusted_makes_another_light():
    rng = np.random.default_rng(0)
    sky = np.full((40, 60, 3), 0.6, np.float32)
    noisy = sky + rng.normal(0, 1 / 255, sky.shape).astype(np.float32)
    everywhere, left = np.ones((40, 60), np.float32), np.zeros((40, 60), np.float32)
    left[:, :30] = 1
    assert not relit(noisy, sky, everywhere)
    lamp = sky.copy()
    lamp[:, 30:] = rng.random((40, 30, 3))
    assert not relit(lamp, sky, left)
    assert relit(lamp, sky, everywhere)
    assert not relit(lamp, sky, 0 * left)
