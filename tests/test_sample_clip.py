"""The sample clip, whose flow and occlusions are known exactly."""

from fractions import Fraction
from itertools import pairwise

import cv2
import numpy as np
import pytest

from render.sample import SampleClip
from render.sample.layers import owners

PAIRS = [(7, 6), (6, 7), (8, 4), (11, 3), (20, 19), (19, 20), (24, 16)]
CORE = np.ones((5, 5), np.uint8)


@pytest.fixture(scope="module")
def clip():
    return SampleClip()


@pytest.fixture(scope="module")
def small():
    return SampleClip(width=96, height=54, frames=8)


def warped(clip, t, to, offset=(0, 0)):
    """Frame `to` fetched along the flow from `t`, as OpenCV does it."""
    x, y = np.meshgrid(np.arange(clip.width), np.arange(clip.height))
    goal = np.dstack([x, y]).astype(np.float32) + clip.flow(t, to) + np.float32(offset)
    return fetched(clip.frame(to), goal)


def fetched(picture, goal):
    return cv2.remap(
        picture, goal[..., 0], goal[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def difference(first, second):
    return np.abs(first.astype(np.float32) - second).mean(axis=-1)


def core(mask):
    """The mask without its rim of two pixels, where smoothed edges mix two layers."""
    return cv2.erode(mask.astype(np.uint8), CORE, borderValue=1) > 0


def test_the_clip_is_two_shots_of_equal_length(clip):
    assert clip.shots == (range(14), range(14, 28))
    assert (clip.width, clip.height, clip.frames, clip.rate) == (320, 180, 28, Fraction(24))
    frame = clip.frame(0)
    assert frame.shape == (180, 320, 3)
    assert frame.dtype == np.uint8


def test_flow_and_mask_have_the_frame_s_shape(clip):
    flow, visible = clip.flow(3, 2), clip.visible(3, 2)
    assert (flow.shape, flow.dtype) == ((180, 320, 2), np.float32)
    assert (visible.shape, visible.dtype) == ((180, 320), np.bool_)


@pytest.mark.parametrize(("t", "to"), PAIRS)
def test_the_other_frame_warped_along_the_flow_is_the_frame_where_visible(clip, t, to):
    inner = core(clip.visible(t, to))
    error = difference(clip.frame(t), warped(clip, t, to))[inner]
    still = difference(clip.frame(t), clip.frame(to))[inner]
    # What remains is the blur of bilinear interpolation on fine detail, 2 to 5 of 255.
    assert error.mean() < 6
    assert np.percentile(error, 95) < 22
    assert still.mean() > 3 * error.mean()


@pytest.mark.parametrize(("t", "to"), [(7, 6), (20, 19)])
@pytest.mark.parametrize("offset", [(0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5)])
def test_a_flow_half_a_pixel_off_is_worse(clip, t, to, offset):
    inner = core(clip.visible(t, to))
    frame = clip.frame(t)
    exact = difference(frame, warped(clip, t, to))[inner].mean()
    assert difference(frame, warped(clip, t, to, offset))[inner].mean() > 1.15 * exact


@pytest.mark.parametrize(("t", "to"), [(8, 4), (11, 3), (24, 16)])
def test_occluded_pixels_show_something_else(clip, t, to):
    hidden = core(~clip.visible(t, to))
    assert hidden.sum() > 300
    error = difference(clip.frame(t), warped(clip, t, to))
    assert error[hidden].mean() > 30
    assert error[hidden].mean() > 8 * error[core(clip.visible(t, to))].mean()


@pytest.mark.parametrize(("t", "to"), [(7, 6), (11, 3), (24, 16)])
def test_flow_there_and_back_again_cancels_where_visible(clip, t, to):
    flow, back = clip.flow(t, to), clip.flow(to, t)
    x, y = np.meshgrid(np.arange(clip.width), np.arange(clip.height))
    goal = np.dstack([x, y]).astype(np.float32) + flow
    rest = np.abs(flow + fetched(back, goal)).max(axis=-1)
    # Fetching mixes two layers along edges, of which the reeds have many.
    assert np.percentile(rest[core(clip.visible(t, to))], 90) < 0.01


def test_what_is_outside_the_other_frame_is_not_visible_there(clip):
    flow = clip.flow(13, 0)
    x, y = np.meshgrid(np.arange(clip.width), np.arange(clip.height))
    gone = (x + flow[..., 0] > clip.width - 1) | (y + flow[..., 1] < 0)
    assert gone.any()
    assert not clip.visible(13, 0)[gone].any()


def test_a_frame_does_not_move_against_itself(small):
    for t in range(small.frames):
        assert np.abs(small.flow(t, t)).max() < 1e-4
        assert small.visible(t, t).all()


def test_both_cameras_move_every_part_of_the_picture(clip):
    for t in (5, 22):
        speed = np.linalg.norm(clip.flow(t, t - 1), axis=-1)
        assert np.median(speed) > 0.5
        assert speed.max() > 5
        assert speed.max() < clip.width / 20


def test_an_estimator_finds_the_flow(clip):
    """There is enough texture for optical flow to hold on to."""
    estimator = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    for t in (7, 21):
        grey, before = (cv2.cvtColor(clip.frame(k), cv2.COLOR_RGB2GRAY) for k in (t, t - 1))
        estimate = estimator.calc(grey, before, None)
        off = np.linalg.norm(estimate - clip.flow(t, t - 1), axis=-1)[core(clip.visible(t, t - 1))]
        assert np.median(off) < 0.5


def test_the_cut_is_hard_and_the_only_one(clip):
    frames = [clip.frame(t) for t in range(clip.frames)]
    steps = [difference(a, b).mean() for a, b in pairwise(frames)]
    assert int(np.argmax(steps)) == 13
    assert steps[13] > 2 * max(steps[:13] + steps[14:])


def test_moving_things_are_large_and_cover_each_other(clip):
    things = {0: {"white boat", "red boat", "gull"}, 1: {"balloon", "sails", "gull"}}
    for shot, names in things.items():
        layers, middle = clip._scenes[shot], 0.5
        x, y = np.meshgrid(np.arange(clip.width) + 0.5, np.arange(clip.height) + 0.5)
        points = np.dstack([x, y])
        seen = owners(layers, clip._view, middle, points)
        for name in names:
            (index,) = [i for i, layer in enumerate(layers) if layer.name == name]
            rows, columns = np.nonzero(seen == index)
            assert max(np.ptp(rows), np.ptp(columns)) >= clip.height / 6, name
    for shot, behind, before in ((0, "red boat", "white boat"), (1, "balloon", "sails")):
        names = [layer.name for layer in clip._scenes[shot]]
        back, front = names.index(behind), names.index(before)
        assert front > back
        covered = 0
        for phase in np.linspace(0, 1, 8):
            alone = owners(clip._scenes[shot][back : back + 1], clip._view, phase, points) == 0
            covered += (
                alone & (owners(clip._scenes[shot], clip._view, phase, points) == front)
            ).sum()
        assert covered > 500


@pytest.mark.parametrize("size", [(48, 48), (32, 64), (96, 32)])
def test_layers_fill_the_frame_whatever_its_shape(size):
    clip = SampleClip(*size)
    x, y = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    for layers in clip._scenes:
        for phase in (0, 0.5, 1):
            assert (owners(layers, clip._view, phase, np.dstack([x, y])) >= 0).all()


def test_the_picture_is_the_same_at_every_size(clip):
    half = SampleClip(width=160, height=90)
    for t in (4, 18):
        full = cv2.resize(clip.frame(t), (160, 90), interpolation=cv2.INTER_AREA)
        assert difference(half.frame(t), full).mean() < 9
        np.testing.assert_allclose(
            np.median(2 * half.flow(t, t - 1), axis=(0, 1)),
            np.median(clip.flow(t, t - 1), axis=(0, 1)),
            atol=0.3,
        )


def test_the_same_settings_give_the_same_pixels_and_another_seed_others(small):
    again = SampleClip(width=96, height=54, frames=16)
    # Twice the frames are the same movement, slower: both shots end alike.
    np.testing.assert_array_equal(small.frame(3), again.frame(7))
    np.testing.assert_array_equal(small.frame(7), again.frame(15))
    np.testing.assert_array_equal(small.flow(7, 4), again.flow(15, 8))
    assert difference(small.frame(5), SampleClip(96, 54, 8, seed=1).frame(5)).mean() > 5


def test_frames_of_different_shots_have_no_flow(small):
    with pytest.raises(ValueError, match="different shots"):
        small.flow(4, 3)
    with pytest.raises(ValueError, match="different shots"):
        small.visible(3, 4)


@pytest.mark.parametrize("t", [-1, 8])
def test_a_frame_beyond_the_clip_is_refused(small, t):
    with pytest.raises(IndexError, match="the frames are 0-7"):
        small.frame(t)


@pytest.mark.parametrize("settings", [{"width": 8}, {"height": 8}, {"frames": 3}])
def test_a_clip_too_small_is_refused(settings):
    with pytest.raises(ValueError, match="the least is"):
        SampleClip(**settings)
