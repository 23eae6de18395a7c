"""How evaluations are shared out over stages."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from render.spec.job import Job
from render.spec.media import ImagesInput
from render.spec.stages import (
    LEAST,
    LEAST_PROBED,
    PROBE,
    frames_kept,
    gaps_back,
    probe_evaluations,
    stage_count,
    stage_evaluations,
)


def job(warm=60, evaluations=300, **temporal):
    return Job.model_validate(
        {
            "input": {"kind": "video", "path": "/a.mp4"},
            "output": {"path": "/b.mp4"},
            "style": {"images": [{"path": "/s.png"}]},
            "optimize": {"evaluations": evaluations, "warm_evaluations": warm},
            "temporal": temporal,
        }
    )


def test_a_job_paints_in_five_stages_unless_it_says_otherwise():
    assert stage_count(job()) == 5
    assert stage_count(job(stages=7)) == 7
    assert stage_count(job(parallel="chain")) == 1
    assert stage_count(job(warm_start="none")) == 1
    pictures = ImagesInput(kind="images", path=Path("/pictures"))
    assert stage_count(job().model_copy(update={"input": pictures})) == 1


@pytest.mark.parametrize(("warm", "stages"), [(1, 1), (15, 1), (16, 2), (31, 3), (32, 4)])
def test_no_stage_is_too_short_to_learn_a_curvature(warm, stages):
    assert stage_count(job(warm=warm)) == stages


@given(st.integers(1, 200), st.integers(1, 500), st.integers(1, 16))
def test_stages_sum_to_the_budget_and_the_first_frame_has_half_of_it_in_its_first(
    warm, evaluations, stages
):
    made = job(warm, evaluations, stages=stages)
    count = stage_count(made)
    cold, later = (stage_evaluations(made, count, effort) for effort in ("first", "later"))
    assert sum(later) == warm
    assert all(of_first <= of_later for of_first, of_later in zip(cold[1:], later[1:], strict=True))
    if evaluations >= 2 * warm:
        assert cold[1:] == later[1:]
    assert len(cold) == len(later) == count
    assert min(*cold, *later, 1) == 1
    if count > 1:
        assert min(later) >= LEAST
    if evaluations >= 2 * count:
        assert sum(cold) == evaluations
        assert 2 * cold[0] >= evaluations


def test_a_probe_is_as_long_as_it_needs_to_foretell():
    assert probe_evaluations(job(warm=160)) == 160
    assert probe_evaluations(job(warm=80)) == PROBE
    assert probe_evaluations(job(warm=80, evaluations=50)) == 50
    assert probe_evaluations(job(warm=LEAST_PROBED)) == PROBE
    assert probe_evaluations(job(warm=LEAST_PROBED - 1)) == 0
    assert probe_evaluations(job(warm_start="previous")) == 0
    assert probe_evaluations(job(flow="none")) == 0
    pictures = ImagesInput(kind="images", path=Path("/pictures"))
    assert probe_evaluations(job().model_copy(update={"input": pictures})) == 0


@pytest.mark.parametrize(
    ("reach", "gaps"),
    [(1, ()), (2, (2,)), (3, (2,)), (4, (2, 4)), (5, (2, 4)), (8, (2, 4, 8)), (16, (2, 4, 8, 16))],
)
def test_the_pull_reaches_back_in_powers_of_two(reach, gaps):
    assert gaps_back(job(long_term=reach)) == gaps
    assert frames_kept(job(long_term=reach)) == max(1, *gaps, 1)


def test_an_anchor_has_more_evaluations_but_no_more_than_the_first_frame():
    made = job(warm=32, evaluations=110, parallel="anchors")
    assert stage_evaluations(made, 1, "anchor") == (64,)
    assert stage_evaluations(job(warm=60, evaluations=80), 1, "anchor") == (80,)
    assert stage_evaluations(job(warm=3, evaluations=2), 1, "anchor") == (3,)
