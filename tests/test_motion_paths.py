"""Motion over several frames, put together step by step."""

import numpy as np
import pytest
from conftest import smooth_noise

from render.motion.flow import estimate_flow
from render.motion.paths import Motion, Motions, compose, met
from render.motion.warp import warp
from render.sample import SampleClip

WIDE = smooth_noise(140, 60, seed=3)
PAN = [np.ascontiguousarray(WIDE[:, 4 * n : 4 * n + 90]) for n in range(10)]


def moved(dx, dy=0.0, shape=(48, 64)):
    return Motion(np.full((*shape, 2), (dx, dy), np.float32), np.ones(shape, np.float32))


def test_shifts_add_up():
    both = compose(moved(3.5, 1), moved(-1, 2))
    np.testing.assert_allclose(both.flow[20:-20, 20:-20], np.full((8, 24, 2), (2.5, 3)), atol=1e-5)
    assert both.mask[20:-20, 20:-20].min() == 1


def test_what_leaves_the_frame_on_the_way_or_in_the_end_cannot_be_trusted():
    both = compose(moved(10), moved(10))
    assert both.mask[:, -20:].max() == 0
    assert both.mask[:, :-20].min() == 1


def test_a_doubt_on_the_way_is_a_doubt_about_the_whole():
    onward = moved(0)
    onward.mask[:, 30:] = 0
    assert compose(moved(10), onward).mask[:, 20:].max() == 0
    assert compose(moved(10), onward).mask[:, :19].min() == 1


def test_along_a_pan_too_long_for_one_flow_the_steps_find_the_way():
    motion = Motions(20).along(PAN[::-1])
    inside = (slice(8, -8), slice(8, 46))
    stepwise = np.abs(motion.flow[inside] - (36, 0)).mean()
    assert stepwise < 0.5
    carried = warp(PAN[0], motion.flow)
    assert np.abs(carried[inside].astype(float) - PAN[-1][inside]).mean() < 3
    assert motion.mask[inside].mean() > 0.8


def test_steps_along_the_sample_clip_are_near_its_true_motion():
    clip = SampleClip(width=96, height=54, frames=24)
    frames = [clip.frame(t) for t in range(6, -1, -1)]
    motion = Motions(9).along(frames)
    wrong = np.linalg.norm(motion.flow - clip.flow(6, 0), axis=2)
    assert np.median(wrong[motion.mask > 0.9]) < 1
    assert (motion.mask > 0.5).mean() > 0.3


def swirl(strength):
    """A smooth flow that differs from place to place."""
    rows, columns = np.mgrid[:48, :64] / 10.0
    return np.float32(strength) * np.stack([np.sin(rows), np.cos(columns)], 2).astype(np.float32)


def test_a_flow_is_bent_to_the_inverse_of_the_way_back():
    back = swirl(1.5)
    bent = met(-back, back)  # nearly its inverse, but read off at the wrong places
    there_and_back = compose(
        Motion(bent, np.ones((48, 64), np.float32)), Motion(back, np.ones((48, 64), np.float32))
    ).flow
    wrong = compose(
        Motion(-back, np.ones((48, 64), np.float32)), Motion(back, np.ones((48, 64), np.float32))
    ).flow
    inside = (slice(6, -6), slice(6, -6))
    assert np.abs(there_and_back[inside]).mean() < 0.1 * np.abs(wrong[inside]).mean()


def test_a_flow_that_is_no_inverse_at_all_stays_as_it_is():
    back = moved(9).flow
    np.testing.assert_array_equal(met(moved(2).flow, back), moved(2).flow)


def test_what_is_carried_to_an_earlier_frame_comes_back_to_its_place():
    clip = SampleClip(width=96, height=54, frames=24)
    early, late = clip.frame(2), clip.frame(3)
    motions = Motions(4)
    back = motions.along((late, early))
    lost = {}
    for name, motion in (
        ("along", motions.along((early, late), boundaries=True)),
        ("towards", motions.towards((early, late))),
    ):
        returned = warp(warp(late.astype(np.float32) / 255, motion.flow), back.flow)
        errors = ((returned - late / 255) ** 2).mean(2)
        lost[name] = float((errors * back.mask).sum() / back.mask.sum())
    assert lost["towards"] < 0.9 * lost["along"]


@pytest.mark.parametrize(("kept", "measured"), [(1, 4), (2, 0)])
def test_a_pair_is_measured_once_while_it_is_remembered(kept, measured):
    calls = []
    motions = Motions(kept, lambda *pair: calls.append(pair) or estimate_flow(*pair))
    motions.along(PAN[:2])
    motions.along(PAN[1::-1])
    assert len(calls) == 2
    motions.along(PAN[1:3])
    calls.clear()
    motions.along(PAN[:3])
    assert len(calls) == measured
