"""Units and batches of pictures: everything once, of one size together, whatever the farm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from render.batches import (
    BATCH_PIXELS,
    LEAST,
    MOST,
    MOST_TOGETHER,
    SHARES,
    UNIT_SECONDS,
    UNKNOWN,
    portions,
    work,
)
from render.spec.job import Job

SIZES = st.sampled_from([(0, 0), (16, 16), (256, 192), (192, 256), (512, 512), (3000, 2000)])


def job(evaluations=100, engine="vgg", workers=1):
    return Job.model_validate(
        {
            "input": {"kind": "images", "path": "/in"},
            "output": {"path": "/out"},
            "style": {"images": [{"path": "/s.png"}]},
            "optimize": {"evaluations": evaluations},
            "farm": {"workers": workers},
            "engine": engine,
        }
    )


def share(sizes, **settings):
    return list(portions(job(**settings), enumerate(sizes), len(sizes)))


@given(st.lists(SIZES, max_size=600), st.sampled_from([1, 100, 10_000]))
def test_every_picture_is_in_one_batch_with_others_of_its_size(sizes, evaluations):
    made = share(sizes, evaluations=evaluations)
    batches = [batch for unit in made for batch in unit.batches]
    assert sorted(frame for batch in batches for frame in batch.frames) == list(range(len(sizes)))
    assert [unit.number for unit in made] == list(range(len(made)))
    for unit in made:
        inside = sorted(frame for batch in unit.batches for frame in batch.frames)
        assert inside == list(unit.frames)
    for batch in batches:
        assert len({sizes[frame] for frame in batch.frames}) == 1
        width, height = sizes[batch.frames[0]] if any(sizes[batch.frames[0]]) else UNKNOWN
        many = len(batch.frames)
        assert many == 1 or many * width * height <= BATCH_PIXELS
        assert many <= max(1, min(MOST_TOGETHER, len(sizes) // SHARES))


@given(st.lists(SIZES, min_size=1, max_size=600), st.sampled_from([1, 100, 10_000]))
def test_a_unit_is_a_minute_of_work_between_its_bounds(sizes, evaluations):
    *units, last = share(sizes, evaluations=evaluations)
    settings = job(evaluations)
    for unit in units:
        seconds = [work(settings, sizes[frame]) for frame in unit.frames]
        assert LEAST <= len(seconds) <= MOST
        assert len(seconds) == MOST or sum(seconds) >= UNIT_SECONDS
        assert len(seconds) == LEAST or sum(seconds[:-1]) < UNIT_SECONDS
    assert len(last.frames) <= MOST


def test_small_pictures_fill_a_batch_where_there_are_many():
    many = share([(128, 128)] * 4096)
    assert {len(batch.frames) for batch in many[0].batches} == {MOST_TOGETHER}
    few = share([(128, 128)] * 10)
    assert [batch.frames for unit in few for batch in unit.batches] == [(n,) for n in range(10)]


@pytest.mark.parametrize("engine", ["vgg", "passthrough"])
def test_the_farm_has_no_say(engine):
    sizes = [(64 + 8 * (n % 5), 64) for n in range(700)]
    assert share(sizes, workers=1, engine=engine) == share(sizes, workers=500, engine=engine)
