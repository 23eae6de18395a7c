"""The measures: what flickers, blurs or jumps is told from what does not."""

import cv2
import numpy as np
import pytest
from conftest import smooth_noise

from render.metrics import Motion, Shown, estimated_motion, measure, sharpness, warping_error
from render.sample import SampleClip

CLIP = SampleClip(width=96, height=54, frames=24)
SHOT = CLIP.shots[0]


def true_motion(now, before):
    visible = CLIP.visible(now.index, before.index)
    return Motion(CLIP.flow(now.index, before.index), visible.astype(np.float32))


@pytest.fixture(scope="module")
def contents():
    return [CLIP.frame(t) for t in SHOT]


def shown(contents, results, first=0):
    frames = zip(contents, results, strict=True)
    return [Shown(first + n, *pair, {"style": float(n)}) for n, pair in enumerate(frames)]


def flickering(contents, strength=12):
    generator = np.random.default_rng(0)
    noise = [generator.normal(0, strength, picture.shape) for picture in contents]
    return [
        (picture + grain).clip(0, 255).astype(np.uint8)
        for picture, grain in zip(contents, noise, strict=True)
    ]


def test_a_source_that_was_not_repainted_has_its_own_error_at_every_gap(contents):
    metrics = measure(shown(contents, contents), [SHOT])
    assert metrics.to_data()["frames"] == len(SHOT)
    for gap in (1, 2, 4, 8):
        assert metrics.error(gap) == metrics.floor(gap) > 0
        assert metrics.over_floor(gap) == 1
    assert metrics.result == metrics.source
    assert metrics.loss("style") == np.mean(range(len(SHOT)))
    assert metrics.loss("content") is None


def test_most_of_a_frame_is_compared_along_the_true_motion_and_along_the_estimated_one(contents):
    frames = shown(contents, contents)
    for motion in (true_motion, estimated_motion):
        assert 0.8 < measure(frames, [SHOT], (), motion).coverage < 1


def test_frames_that_cannot_be_compared_count_among_those_of_which_nothing_was(contents):
    def motion(now, before):
        seen = np.float32(now.index == 1)
        return Motion(np.zeros((54, 96, 2), np.float32), np.full((54, 96), seen))

    metrics = measure(shown(contents, contents), [SHOT], (), motion)
    assert metrics.coverage == pytest.approx(1 / (len(SHOT) - 1))
    assert metrics.error() == metrics.frames[1].back[1].error > 0


def test_a_picture_that_is_carried_along_the_true_motion_is_calm_and_a_flickering_one_is_not(
    contents,
):
    calm = measure(shown(contents, contents), [SHOT], (), true_motion)
    restless = measure(shown(contents, flickering(contents)), [SHOT], (), true_motion)
    assert restless.over_floor() > 5 * calm.over_floor()
    assert restless.over_floor(8) > 2


def test_the_error_of_independent_noise_is_the_known_one():
    """Two independent noises of variance v differ by 2v."""
    still = np.full((60, 80, 3), 128, np.uint8)
    before, now = flickering([still, still])
    motion = Motion(np.zeros((60, 80, 2), np.float32), np.ones((60, 80), np.float32))
    expected = 2 * (12 / 255) ** 2
    assert warping_error(now, before, motion) == pytest.approx(expected, rel=0.03)


def test_only_what_the_mask_trusts_is_compared():
    before, now = smooth_noise(80, 60, seed=1), smooth_noise(80, 60, seed=1)
    now[:, 40:] = 0
    mask = np.zeros((60, 80), np.float32)
    mask[:, :40] = 1
    assert warping_error(now, before, Motion(np.zeros((60, 80, 2), np.float32), mask)) == 0


def test_nothing_is_compared_across_a_cut(contents):
    metrics = measure(shown(contents, contents), [range(5), range(5, len(SHOT))])
    assert [sorted(frame.back) for frame in metrics.frames[3:8]] == [
        [1, 2],
        [1, 2, 4],
        [],
        [1],
        [1, 2],
    ]


def test_a_missing_frame_is_left_out_and_widens_no_gap(contents):
    frames = shown(contents, contents)
    metrics = measure(frames[:4] + frames[5:], [SHOT])
    assert sorted(metrics.frames[4].back) == [2, 4]
    assert len(metrics.frames) == len(SHOT) - 1


def test_a_jump_between_units_shows_in_the_seam_ratio(contents):
    jumps = [255 - picture if t >= 6 else picture for t, picture in enumerate(contents)]
    assert measure(shown(contents, jumps), [SHOT], {6}).seam_ratio > 20
    assert 0.2 < measure(shown(contents, contents), [SHOT], {6}).seam_ratio < 5
    assert measure(shown(contents, contents), [SHOT]).seam_ratio is None


def test_blur_lowers_the_sharpness_and_a_flat_picture_has_none():
    picture = smooth_noise(80, 60, seed=3)
    blurred = cv2.GaussianBlur(picture, (0, 0), 2.0)
    assert sharpness(blurred) < 0.8 * sharpness(picture)
    assert sharpness(np.full((9, 9, 3), 77, np.uint8)) == 0


def test_the_sharpness_of_a_ramp_is_its_slope_squared():
    ramp = np.repeat(np.arange(50, dtype=np.uint8)[None, :, None] * 3, 20, axis=0).repeat(3, 2)
    assert sharpness(ramp) == pytest.approx((3 / 255) ** 2, rel=1e-3)


def test_a_still_source_has_no_ratio_and_a_single_frame_nothing_to_compare():
    still = smooth_noise(64, 48, seed=2)
    metrics = measure(shown([still] * 3, [still] * 3), [range(3)])
    assert metrics.error() == 0
    assert metrics.over_floor() is None
    alone = measure(shown([still], [still]), [range(1)]).to_data()
    assert alone["warping_error"] is None
    assert alone["coverage"] is None
