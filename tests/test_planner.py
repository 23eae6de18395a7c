"""The planner: every frame in one unit, shots kept apart, the farm unseen."""

import json

import numpy as np
import pytest
from conftest import smooth_noise
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from render.errors import SourceError
from render.inputs import make_plan
from render.plan import Unit
from render.planner import CHUNK, anchored, chunks, split


@given(
    start=st.integers(0, 50),
    count=st.integers(1, 500),
    stride=st.integers(1, 4),
    longest=st.none() | st.integers(2, 60),
)
def test_runs_partition_a_shot_evenly(start, count, stride, longest):
    shot = range(start, start + count * stride, stride)
    runs = list(split(shot, longest))
    assert [frame for run in runs for frame in run] == list(shot)
    lengths = {len(run) for run in runs}
    assert max(lengths) - min(lengths) <= 1
    assert longest is None or max(lengths) <= longest


def test_a_shot_is_a_unit(video_job):
    plan = make_plan(video_job())
    assert plan.shots == (range(6), range(6, 12))
    assert [unit.frames for unit in plan.units] == list(plan.shots)
    assert all(unit.chained for unit in plan.units)


def test_the_cut_is_found_where_the_job_names_none(video_job):
    assert make_plan(video_job("input.cuts=null")).shots == (range(6), range(6, 12))


def test_a_range_with_a_stride_keeps_to_the_cuts_of_the_source(video_job):
    plan = make_plan(video_job("input.frames=1-11x2"))
    assert [list(shot) for shot in plan.shots] == [[1, 3, 5], [7, 9, 11]]
    assert list(plan.frames) == [1, 3, 5, 7, 9, 11]
    assert plan.total == 6


def test_long_shots_are_cut_where_the_job_says_so(video_job):
    plan = make_plan(video_job("temporal.segment=4"))
    assert [len(unit.frames) for unit in plan.units] == [3, 3, 3, 3]
    assert [unit.shot for unit in plan.units] == [0, 0, 1, 1]


@given(
    start=st.integers(0, 50),
    step=st.integers(1, 4),
    longest=st.integers(2, 60),
    bridge=st.integers(1, 80),
    unrest=st.lists(st.integers(0, 9), min_size=1, max_size=500),
)
def test_anchors_and_segments_partition_a_shot(start, step, longest, bridge, unrest):
    shot = range(start, start + len(unrest) * step, step)
    units = list(anchored(3, shot, unrest, longest, bridge, number=7))
    assert sorted(frame for unit in units for frame in unit.frames) == list(shot)
    assert [unit.number for unit in units] == list(range(7, 7 + len(units)))
    anchors, *segments = units
    assert anchors.frames[0] == shot[0]
    assert anchors.anchors == bool(segments)
    for unit in segments:
        assert len(unit.frames) < longest
        assert unit.after == unit.frames[0] - step
        assert unit.after in anchors.frames
        assert unit.towards is None or unit.towards == unit.frames[-1] + step
        assert unit.bridge == (0 if unit.towards is None else min(bridge, len(unit.frames)))
        assert unit.whole == range(unit.after, (unit.towards or unit.frames[-1]) + 1, step)
    if segments:
        assert anchors.whole == range(shot[0], anchors.frames[-1] + 1, step)
        assert anchors.between(*anchors.frames[:2]) == segments[0].frames


def test_a_shot_that_fits_into_one_segment_is_a_chain():
    assert list(anchored(0, range(32), [0] * 32, 32, 16, 0)) == [
        Unit(0, 0, range(32), chained=True)
    ]


def test_anchors_of_a_still_shot_are_evenly_spaced():
    units = list(anchored(0, range(200), [0] * 200, 32, 16, 0))
    assert units[0].frames == tuple(range(0, 200, 23))
    assert [len(unit.frames) for unit in units] == [9, *[22] * 8, 15]


def test_an_anchor_is_the_calmest_frame_near_its_place():
    unrest = [1.0] * 60
    unrest[16], unrest[20], unrest[25], unrest[40] = 0.0, 2.0, 0.5, 3.0
    anchors, *_ = anchored(0, range(60), unrest, 32, 16, 0)
    assert anchors.frames == (0, 16, 39)


def test_anchors_of_a_clip_avoid_its_turmoil(video_job, tmp_path):
    """The quiet frames come first, then everything moves about at random."""
    moving = np.random.default_rng(4).integers(0, 255, (6, 64, 64, 3), np.uint8)
    frames = [smooth_noise(64, 64, 3)] * 25 + list(moving) + [smooth_noise(64, 64, 3)] * 29
    folder = tmp_path / "frames"
    folder.mkdir()
    for n, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{n:03}.png")
    job = video_job(f"input.path={folder}", "input.cuts=[]", "temporal.parallel=anchors")
    anchors, *_ = make_plan(job).units
    assert anchors.frames == (0, 20, 40)


def test_frames_without_a_warm_start_do_not_wait_for_each_other(video_job):
    units = make_plan(video_job("temporal.warm_start=none")).units
    assert [len(unit.frames) for unit in units] == [1] * 12
    assert [unit.shot for unit in units] == [0] * 6 + [1] * 6
    assert not any(unit.chained for unit in units)


def test_a_cut_outside_the_clip_is_refused(video_job):
    with pytest.raises(SourceError, match=r"input\.cuts: no frame 12; the frames are 0-11"):
        make_plan(video_job("input.cuts=[12]"))


def test_pictures_are_shared_out_one_by_one_while_they_are_few():
    assert [len(chunk) for chunk in chunks(range(5))] == [1] * 5
    assert {len(chunk) for chunk in chunks(range(0, 2 * 64 * 3, 3))} == {2}


@given(count=st.integers(1, 5000), stride=st.integers(1, 3))
def test_chunks_partition_the_pictures(count, stride):
    frames = range(0, count * stride, stride)
    made = list(chunks(frames))
    assert [frame for chunk in made for frame in chunk] == list(frames)
    assert max(map(len, made)) <= CHUNK


def test_the_farm_has_no_say(video_job):
    plans = {json.dumps(make_plan(video_job(f"farm.workers={n}")).to_data()) for n in (1, 2, 20)}
    assert len(plans) == 1


def test_the_plan_knows_what_it_was_made_for_by_its_content(video_job, tmp_path, style_picture):
    style = tmp_path / "style.png"
    style.write_bytes(style_picture.read_bytes())
    job = video_job(f"style.images.0.path={style}")
    before = make_plan(job).fingerprints
    assert before == make_plan(video_job()).fingerprints  # the same picture elsewhere
    Image.fromarray(smooth_noise(80, 60, seed=7)).save(style)
    assert make_plan(job).fingerprints != before
