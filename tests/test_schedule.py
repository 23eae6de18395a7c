"""The forecast: plans played through with counters."""

from dataclasses import replace
from fractions import Fraction
from itertools import accumulate, pairwise

import pytest

from render.inputs import make_plan
from render.plan import Plan, Unit
from render.planner import anchored
from render.schedule import evaluations_left, forecast, in_evaluations, makespans
from render.spec.job import Job


def job(evaluations=80, warm=32, **temporal):
    return Job.model_validate(
        {
            "input": {"kind": "video", "path": "/a.mp4"},
            "output": {"path": "/b.mp4"},
            "style": {"images": [{"path": "/s.png"}]},
            "optimize": {"evaluations": evaluations, "warm_evaluations": warm},
            "temporal": temporal,
        }
    )


def plan(*lengths, stages=4, chained=True):
    ends = list(accumulate(lengths, initial=0))
    runs = [range(*both) for both in pairwise(ends)]
    units = tuple(Unit(n, n, run, chained, stages) for n, run in enumerate(runs))
    return Plan("x", None, tuple(unit.frames for unit in units), units)


def test_one_worker_makes_all_evaluations_and_no_crew_beats_the_critical_path():
    made = forecast([in_evaluations(job(), plan(40, 7))])
    assert made.total == 2 * 80 + 45 * 32
    assert made.speedup[1] == 1
    assert made.makespans[256] == made.critical_path
    assert all(
        made.total / crew / speed <= made.critical_path + made.total / crew
        for crew, speed in made.speedup.items()
    )
    speeds = list(made.speedup.values())
    assert speeds == sorted(speeds)


def test_four_workers_paint_one_long_shot_in_five_stages_nearly_four_times_as_fast():
    made = forecast([in_evaluations(job(300, 80), plan(200, stages=5))])
    assert made.speedup[2] > 1.95  # also while the first stage is held up by a probe
    assert made.speedup[4] > 3.5
    assert made.speedup[256] == made.speedup[8]


def test_the_critical_path_of_a_thousand_frames_is_a_quarter_of_their_time():
    assert forecast([in_evaluations(job(300, 80), plan(1000, stages=5))]).critical_path / 80 < 280


def test_of_what_is_too_long_to_be_played_through_the_least_that_it_takes_is_foretold(monkeypatch):
    parts = [in_evaluations(job(300, 80), plan(300, 200, 100, stages=5))]
    played = forecast(parts)
    monkeypatch.setattr("render.schedule.MOST_STEPS", 2999)
    least = forecast(parts)
    assert (least.total, least.critical_path) == (played.total, played.critical_path)
    assert least.makespans.keys() == played.makespans.keys()
    for crew, span in played.makespans.items():
        assert 0.8 * span < least.makespans[crew] <= span


def test_what_is_left_of_a_job_counts_its_probes():
    clip = replace(plan(51, stages=5), rate=Fraction(25))
    assert evaluations_left(job(90, 60), clip, ()) == 90 + 50 * 60 + 3 * 90
    assert evaluations_left(job(90, 60), clip, range(1, 32)) == 90 + 19 * 60 + 2 * 90
    assert evaluations_left(job(90, 39), clip, ()) == 90 + 50 * 39  # too few for one


def anchors(count, segment=32):
    units = tuple(anchored(0, range(count), [0] * count, segment, 16, 0))
    return Plan("x", None, (range(count),), units)


def test_anchors_give_segments_to_many_workers():
    made = job(evaluations=100, warm=32, parallel="anchors")
    part = in_evaluations(made, anchors(1000))
    ahead = forecast([part])
    assert ahead.total == 100 + 41 * 64 + 41 * 23 * 32 + 15 * 32
    assert ahead.speedup[1] == 1
    assert ahead.speedup[4] > 3.5
    assert ahead.speedup[16] > 8
    assert ahead.critical_path / 32 < 120
    assert makespans([part], [1000]) == {1000: ahead.critical_path}


def test_the_critical_path_of_anchors_is_their_chain_and_the_last_segment():
    ahead = forecast([in_evaluations(job(100, 32, parallel="anchors"), anchors(64))])
    assert ahead.critical_path == 100 + 2 * 64 + 19 * 32


def test_a_chain_gains_nothing_from_more_workers_and_shots_and_pictures_do():
    assert set(
        forecast([in_evaluations(job(parallel="chain"), plan(50, stages=1))]).speedup.values()
    ) == {1.0}
    assert forecast([in_evaluations(job(), plan(30, 30, stages=1))]).speedup[2] == 2
    pictures = plan(*[1] * 16, stages=1, chained=False)
    assert forecast([in_evaluations(job(parallel="chain"), pictures)]).speedup[16] == 16


def test_a_batch_of_pictures_is_painted_by_one_worker():
    batches = in_evaluations(job(parallel="chain"), plan(16, 16, 16, stages=1, chained=False))
    assert makespans([batches], [2]) == {2: 32 * 80}
    assert makespans([batches], [256]) == {256: forecast([batches]).critical_path} == {256: 16 * 80}


def test_workers_share_what_is_left_of_uneven_chains():
    chain = in_evaluations(job(80, 80, parallel="chain"), plan(*[50] * 5, stages=1))
    assert forecast([chain]).speedup[4] > 3.9
    assert forecast([chain]).speedup[2] > 1.95
    assert forecast([in_evaluations(job(parallel="anchors"), anchors(200))]).speedup[4] > 3.5


@pytest.mark.parametrize("engine", ["vgg", "passthrough"])
def test_a_frame_alone_has_nothing_to_share(engine):
    made = forecast([in_evaluations(job().model_copy(update={"engine": engine}), plan(1))])
    assert made.speedup[256] == 1
    assert made.critical_path == made.total


def test_the_forecast_of_a_plan_counts_what_a_run_spends(video_job):
    made = video_job()
    assert forecast([in_evaluations(made, make_plan(made))]).total == 2 * 6 + 10 * 3
