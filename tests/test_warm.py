"""Where a frame that follows others starts, and what it is pulled towards."""

import numpy as np
import pytest
from conftest import smooth_noise

from render.motion.paths import Motions
from render.motion.still import REACH
from render.warm import BLEND, HELD, LED_PULL, Bridge, Links, Neighbour, recolour, warm_start

SIZE = (64, 48)
CONTENT = smooth_noise(*SIZE, seed=3)
PAINTED = 255 - CONTENT
OTHER = smooth_noise(*SIZE, seed=8)


@pytest.fixture
def motions():
    return Motions(8)


def near(values, pixels, off=1.0):
    return np.abs(values * 255 - pixels.astype(float)).mean() < off


def test_where_nothing_moves_a_frame_starts_from_the_one_before_and_is_pulled_to_it(motions):
    found = warm_start(CONTENT, Links(Neighbour(CONTENT, PAINTED)), None, motions, None)
    assert near(found.start, PAINTED)
    assert near(found.target, PAINTED)
    assert found.weight.shape == (48, 64, 1)
    assert found.weight.min() == found.weight.max() == 1


def test_a_later_stage_starts_between_the_stage_below_and_the_frame_before(motions):
    found = warm_start(CONTENT, Links(Neighbour(CONTENT, PAINTED)), CONTENT, motions, None)
    between = CONTENT + BLEND * (PAINTED - CONTENT.astype(float))
    assert 0 < BLEND < 1
    assert near(found.start, between, 2)
    assert near(found.target, PAINTED)


def test_what_lies_frames_further_back_counts_where_the_one_before_does_not_show_it(motions):
    gone = CONTENT.copy()
    gone[10:38, 16:48] = OTHER[10:38, 16:48]
    hidden = np.where(gone == CONTENT, PAINTED, 7).astype(np.uint8)
    near_one, far_one = Neighbour(gone, hidden), Neighbour(CONTENT, PAINTED)
    short = warm_start(CONTENT, Links(near_one), None, motions, None)
    long = warm_start(CONTENT, Links(near_one, earlier=[far_one]), None, motions, None)
    middle = (slice(16, 32), slice(22, 42))
    assert short.weight[middle].mean() < 0.5
    assert long.weight[middle].mean() > 0.95
    off = [np.abs(each.start[middle] * 255 - PAINTED[middle]).mean() for each in (short, long)]
    assert off[1] < 0.2 * off[0]
    outside = short.weight[..., 0] == 1
    np.testing.assert_allclose(long.target[outside], short.target[outside], atol=0.02)


def test_light_may_change_as_much_as_it_does_in_the_frames_between(motions):
    dim = (CONTENT * 0.8).astype(np.uint8)

    def seen(steps):
        links = Links(Neighbour(OTHER, PAINTED), earlier=[Neighbour(dim, PAINTED, steps=steps)])
        return warm_start(CONTENT, links, None, motions, None).weight.mean()

    assert seen(1) < 0.2
    assert seen(4) > 0.8


@pytest.mark.parametrize(("share", "pull"), [(0.01, 1), (0.5, LED_PULL / 2), (1, LED_PULL)])
def test_a_frame_that_is_led_goes_a_share_of_the_way_and_is_pulled_as_hard(motions, share, pull):
    anchor = Neighbour(CONTENT, CONTENT)
    links = Links(Neighbour(CONTENT, PAINTED), bridge=Bridge(anchor, share))
    found = warm_start(CONTENT, links, None, motions, None)
    way = PAINTED + share * (CONTENT.astype(float) - PAINTED)
    assert near(found.target, way.astype(np.uint8), 2)
    assert found.weight.min() == pytest.approx(pull)


def test_the_way_to_an_anchor_is_followed_through_the_frames_between(motions):
    wide = smooth_noise(SIZE[0] + 60, SIZE[1], seed=5)
    pan = [np.ascontiguousarray(wide[:, 4 * n : 4 * n + SIZE[0]]) for n in range(9)]
    anchor = Neighbour(pan[8], 255 - pan[8], tuple(pan[1:8]))
    links = Links(Neighbour(pan[0], pan[0]), bridge=Bridge(anchor, 1.0))
    found = warm_start(pan[0], links, None, motions, None)
    shown = (slice(6, -6), slice(38, -6))
    assert np.abs(found.target[shown] * 255 - (255 - pan[0][shown].astype(float))).mean() < 6


def test_what_looks_otherwise_is_not_held_however_well_the_flow_finds_it(motions):
    """In a flash all is brighter, and what was painted before has nothing to say about it."""
    dim = (CONTENT // 3).astype(np.uint8)
    found = warm_start(CONTENT, Links(Neighbour(dim, PAINTED)), None, motions, None)
    bright = CONTENT.mean(axis=2) > 120
    assert found.weight[..., 0][bright].mean() < 0.05


def test_nothing_is_held_while_the_light_comes_up(motions):
    """What is painted of the dark is no painting of the scene, and the flow holds on to it in part."""
    for light, held in ((0.97, True), (11 / 12, False), (0.5, False)):
        dim = (CONTENT * light).astype(np.uint8)
        found = warm_start(CONTENT, Links(Neighbour(dim, PAINTED)), None, motions, None)
        assert found.weight.any() == held
        assert near(found.start, recolour(CONTENT, Neighbour(dim, PAINTED)) * 255) != held


def test_edges_of_what_moves_are_led_too(motions):
    """What is not would jump in the last step: only there is it held to the anchor."""
    after = CONTENT.copy()
    after[20:50, 24:54] = CONTENT[20:50, 20:50]
    near_by = Neighbour(after, 255 - after)
    alone = warm_start(CONTENT, Links(near_by), None, motions, None).weight
    led = warm_start(
        CONTENT, Links(near_by, bridge=Bridge(near_by, 0.01)), None, motions, None
    ).weight
    assert (led <= HELD).sum() < 0.7 * (alone <= HELD).sum()


def steep():
    """A frame, the one before it, and a flow between them that is trusted a little where it is steep."""
    grey, before = np.full_like(CONTENT, 128), np.full_like(CONTENT, 129)
    across = np.arange(SIZE[0], dtype=np.float32)
    there = np.clip((across - 24) * 0.22, 0, 3)
    back = np.interp(across, across + there, across) - across

    def flow(source, target):
        steps = there if source is grey else back
        return np.dstack(np.broadcast_arrays(steps, np.zeros((SIZE[1], 1)))).astype(np.float32)

    return grey, Neighbour(before, PAINTED), Motions(8, flow)


def test_a_frame_starts_from_what_is_carried_only_where_more_than_half_is_trusted():
    grey, previous, motions = steep()
    found = warm_start(grey, Links(previous), None, motions, None)
    assert ((found.weight > 0) & (found.weight <= HELD)).mean() > 0.05
    wanted = np.where(found.weight > HELD, found.target, recolour(grey, previous))
    np.testing.assert_array_equal(found.start, wanted)


def test_where_the_anchor_shows_something_else_a_frame_is_as_new_and_pulled_as_without_it():
    grey, previous, motions = steep()
    alone = warm_start(grey, Links(previous), None, motions, None)
    bridge = Bridge(Neighbour(np.full_like(CONTENT, 255), PAINTED), 0.5)
    led = warm_start(grey, Links(previous, bridge=bridge), None, motions, None)
    assert led.new == alone.new == pytest.approx((alone.weight <= HELD).mean())
    np.testing.assert_array_equal(led.weight, alone.weight)


def test_efforts_are_told_by_what_a_frame_is_linked_to():
    previous = Neighbour(CONTENT, PAINTED)
    assert Links(previous).effort == "later"
    assert Links(Neighbour(CONTENT, PAINTED, (OTHER,))).effort == "anchor"
    assert Links(previous, bridge=Bridge(previous, 0.1)).effort == "later"


def test_what_stands_still_is_held_unless_it_is_led_elsewhere():
    moved = CONTENT.copy()
    moved[:, :10] = OTHER[:, :10]
    previous = Neighbour(moved, PAINTED)
    held = Links(previous).held(CONTENT)
    assert held.shape == (48, 64, 1)
    assert held[:, 10 + REACH :].all()
    assert not held[:, :10].any()
    same, other = Neighbour(CONTENT, PAINTED), Neighbour(CONTENT, OTHER)
    np.testing.assert_array_equal(Links(previous, bridge=Bridge(same, 0.5)).held(CONTENT), held)
    assert Links(previous, bridge=Bridge(other, 0.5)).held(CONTENT).mean() < 0.1


def test_recolouring_finds_an_affine_change_of_colours():
    before = smooth_noise(*SIZE, seed=1)
    change = np.array([[0.5, 0.1, 0.0], [0.0, 0.4, 0.1], [0.1, 0.0, 0.5]])
    after = (before @ change + 40).round().astype(np.uint8)
    other = smooth_noise(*SIZE, seed=2)
    expected = (other @ change + 40) / 255
    found = recolour(other, Neighbour(before, after))
    assert found.dtype == np.float32
    assert np.abs(found - expected).mean() < 0.01


def test_recolouring_by_a_flat_frame_stays_finite_and_near_its_result():
    flat = np.full((*SIZE[::-1], 3), 90, np.uint8)
    result = np.full((*SIZE[::-1], 3), 200, np.uint8)
    found = recolour(smooth_noise(*SIZE, seed=2), Neighbour(flat, result))
    assert np.abs(found * 255 - 200).max() < 1


def test_recolouring_after_a_flash_keeps_the_forms_and_takes_the_colours_of_the_result():
    """What was painted of a frame that is nearly white says little of one that is not."""
    content = smooth_noise(*SIZE, seed=1)
    flash = (235 + content / 16).astype(np.uint8)
    painted = (60 + smooth_noise(*SIZE, seed=2) / 3).astype(np.uint8)
    found = recolour(content, Neighbour(flash, painted)).reshape(-1, 3)
    result = painted.reshape(-1, 3) / 255
    assert found.mean(0) == pytest.approx(result.mean(0), abs=0.02)
    assert found.std(0) == pytest.approx(result.std(0), rel=0.15)
    for colour in range(3):
        assert np.corrcoef(found[:, colour], content.reshape(-1, 3)[:, colour])[0, 1] > 0.99
