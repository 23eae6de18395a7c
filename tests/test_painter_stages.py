"""The painter: frames in several stages, and frames that are painted twice to see their detail."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from conftest import smooth_noise
from painting import SIZE, energy, job, moving_frames, painter

from render.errors import EngineError
from render.motion.flow import estimate_flow
from render.motion.paths import Motions
from render.painted import Below, DivergedError
from render.spec.stages import AHEAD, stage_evaluations
from render.warm import Links, Neighbour


@pytest.fixture(scope="module")
def frames():
    return moving_frames()


@pytest.fixture(scope="module")
def first(frames):
    return painter().paint(frames[0])


def staged(**changes):
    return painter(optimize={"evaluations": 22, "warm_evaluations": 16}, **changes)


def test_a_frame_in_stages_spends_its_budget_over_them(frames):
    bound = staged()
    low = bound.paint(frames[0])
    high = bound.paint(frames[0], stage=1, below=Below(low.pixels))
    assert (low.evaluations, high.evaluations) == (17, 5)
    warm = bound.paint(frames[1], Links(Neighbour(frames[0], low.pixels)))
    last = bound.paint(
        frames[1], Links(Neighbour(frames[0], high.pixels)), stage=1, below=Below(warm.pixels)
    )
    assert (warm.evaluations, last.evaluations) == (8, 8)
    assert "temporal" in last.loss
    assert last.loss["style"] < warm.loss["style"]


def test_what_a_stage_has_learnt_helps_the_next_one(frames):
    bound = staged()
    low = bound.paint(frames[0])
    anew, on = (
        bound.paint(frames[0], stage=1, below=Below(low.pixels, curvature))
        for curvature in (None, low.curvature)
    )
    assert sum(on.loss.values()) < sum(anew.loss.values())
    assert on.curvature is None  # nobody comes after the last


def test_without_curvature_there_is_nothing_to_hand_on(frames):
    bound = painter(optimize={"evaluations": 22, "warm_evaluations": 16, "optimizer": "adam"})
    assert bound.paint(frames[0]).curvature is None


def test_a_probe_shows_the_detail_that_the_content_has_by_itself(frames):
    """Whatever the frame starts from."""
    bound = painter(optimize={"evaluations": 60, "warm_evaluations": 40})
    first = bound.paint(frames[0], probe=True)
    alone = [painter(optimize={"evaluations": 60}).paint(frame).pixels for frame in frames]
    assert first.evaluations == sum(stage_evaluations(bound.job, 5, "first")[:1]) + 60
    assert first.detail.mean == pytest.approx(energy(alone[0]), rel=1e-4)
    assert first.detail.mean * first.detail.share == pytest.approx(energy(first.pixels), rel=1e-4)

    before = Links(Neighbour(frames[0], first.pixels, detail=first.detail))
    unprobed, probed = (bound.paint(frames[1], before, probe=each) for each in (False, True))
    assert unprobed.detail == first.detail
    assert probed.evaluations == unprobed.evaluations + 60
    assert probed.detail.mean == pytest.approx(energy(alone[1]), rel=1e-4)
    assert probed.detail.share == first.detail.share


def test_all_stages_of_a_frame_go_by_the_probe_that_the_first_one_makes(frames):
    bound = painter(optimize={"evaluations": 60, "warm_evaluations": 40})
    low = bound.paint(frames[0], probe=True)
    high = bound.paint(frames[0], stage=1, below=Below(low.pixels, detail=low.detail))
    assert high.detail.mean == low.detail.mean
    assert high.detail.mean * high.detail.share == pytest.approx(energy(high.pixels), rel=1e-4)
    known = replace(low.detail, base=2 * low.detail.base)  # another probe
    warm = bound.paint(
        frames[1],
        Links(Neighbour(frames[0], high.pixels, detail=high.detail)),
        stage=1,
        below=Below(frames[1], detail=known),
    )
    assert warm.detail == replace(known, share=high.detail.share)


def test_nothing_is_probed_where_nothing_moves_or_nothing_is_carried(frames, first):
    budget = {"evaluations": 50, "warm_evaluations": 40}
    still = Links(Neighbour(frames[0], first.pixels, detail=first.detail))
    assert painter(optimize=budget).paint(frames[0], still, probe=True).evaluations == 0
    apart = painter(optimize=budget, temporal={"flow": "none"}).paint(frames[0], probe=True)
    assert apart.evaluations == stage_evaluations(job(optimize=budget), 5, "first")[0]
    assert apart.detail is None


def test_a_scene_that_fades_in_from_black_is_painted_and_probed_all_the_same(frames):
    bound = painter(optimize={"evaluations": 50, "warm_evaluations": 40})
    shades = [(frames[0] * light).round().astype(np.uint8) for light in (0, 0.1, 0.5, 1, 0.9)]
    links = None
    for n, shade in enumerate(shades):
        done = bound.paint(shade, links, probe=n in (0, 4))
        links = Links(Neighbour(shade, done.pixels, detail=done.detail))
    assert 0.5 < done.detail.share < 2
    assert done.detail.content == pytest.approx(energy(shades[-1]), rel=1e-4)


def test_a_probe_that_leaves_the_numbers_is_told_like_any_painting(frames, monkeypatch):
    bound = painter(optimize={"evaluations": 50, "warm_evaluations": 40})
    whole = bound.stylizer.stylize

    def spoilt(*arguments, evaluations, **others):
        found = whole(*arguments, evaluations=evaluations, **others)
        return replace(found, pixels=found.pixels * torch.nan) if evaluations == 50 else found

    monkeypatch.setattr(bound.stylizer, "stylize", spoilt)
    bound.paint(frames[0])
    with pytest.raises(DivergedError, match="not finite"):
        bound.paint(frames[0], probe=True)


def test_a_later_stage_without_the_one_below_is_refused(frames):
    with pytest.raises(EngineError, match="stage 1 begins where"):
        staged().paint(frames[0], stage=1)


def test_the_flow_of_a_pair_is_measured_once_for_all_stages(frames, first):
    calls = []
    bound = staged()
    bound._motions = Motions(2, lambda *pair: calls.append(pair) or estimate_flow(*pair))
    before = Links(Neighbour(frames[0], first.pixels))
    low = bound.paint(frames[1], before)
    bound.paint(frames[1], before, stage=1, below=Below(low.pixels))
    assert len(calls) == 2  # there and back


def test_a_worker_that_paints_a_stage_as_far_ahead_as_it_may_measures_no_flow_twice():
    still = smooth_noise(*SIZE, seed=3)
    clip = [np.roll(still, n, 1) for n in range(AHEAD + 1)]
    calls = []
    bound = staged()
    bound._motions._measure = lambda *pair: calls.append(pair) or estimate_flow(*pair)
    below = {}
    for stage in range(2):
        for before, frame in pairwise(range(len(clip))):
            links = Links(Neighbour(clip[before], clip[before]))
            done = bound.paint(clip[frame], links, stage=stage, below=below.get(frame))
            below[frame] = Below(done.pixels)
    assert len(calls) == 2 * AHEAD


def test_what_stands_still_in_a_later_stage_is_that_of_the_frame_before(frames, first):
    below = painter().paint(frames[1]).pixels
    again = staged().paint(
        frames[0], Links(Neighbour(frames[0], first.pixels)), stage=1, below=Below(below)
    )
    np.testing.assert_array_equal(again.pixels, first.pixels)


def test_a_pause_costs_one_evaluation_and_what_follows_does_not_see_it(frames):
    bound = staged()

    def stages(content, before=(None, None)):
        low = bound.paint(content, before[0])
        below = Below(low.pixels, low.curvature, low.detail)
        return low, bound.paint(content, before[1], stage=1, below=below)

    def after(painted):
        return [Links(Neighbour(frames[0], one.pixels, detail=one.detail)) for one in painted]

    shown = stages(frames[0])
    pause = stages(frames[0], after(shown))
    assert [one.evaluations for one in pause] == [0, 1]
    assert pause[1].loss.keys() == {"content", "style", "tv", "temporal"}  # what reports show
    moves, moves_later = (stages(frames[1], after(each)) for each in (shown, pause))
    for one, same in (*zip(shown, pause, strict=True), *zip(moves, moves_later, strict=True)):
        np.testing.assert_array_equal(same.pixels, one.pixels)
        assert same.detail == one.detail
