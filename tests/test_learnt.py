"""What was learnt in a stage lies on the disk until the next one is done; only what is whole counts."""

import pytest

from render.store import Store


@pytest.fixture
def staged_job(video_job):
    """A job whose frames have three stages."""
    return video_job("temporal.stages=3", "optimize.warm_evaluations=24")


def commit(store, frame, stage):
    """As the farm does, of three stages."""
    if stage == 2:
        store.commit(frame, f"frames/{frame:06}.png", b"picture", {})
        return
    name = f"stages/{frame:06}.{stage}.png"
    learnt = f"learnt in {stage}".encode()
    store.commit(frame, name, b"picture", {}, stage=stage, curvature=learnt)


def files(store):
    return sorted(path.name for path in store.folder.glob("stages/*.curvature"))


def test_it_is_there_until_the_next_stage_is_committed(staged_job):
    with Store(staged_job) as store:
        commit(store, 3, 0)
        assert store.curvature(3, 0) == b"learnt in 0"
        commit(store, 3, 1)
        assert store.curvature(3, 1) == b"learnt in 1"
        assert files(store) == ["000003.1.curvature"]
        commit(store, 3, 2)
        assert not files(store)


def test_a_stage_that_learnt_nothing_has_none(staged_job):
    with Store(staged_job) as store:
        store.commit(0, "stages/000000.0.png", b"picture", {}, stage=0)
        assert store.curvature(0, 0) is None
    with Store(staged_job) as store:
        assert (0, 0) in store.stages


def test_the_next_run_has_it(staged_job):
    with Store(staged_job) as store:
        commit(store, 0, 0)
    with Store(staged_job) as store:
        assert store.curvature(0, 0) == b"learnt in 0"


@pytest.mark.parametrize("damage", [None, b"else"], ids=["gone", "damaged"])
def test_a_stage_whose_next_one_would_lack_it_is_painted_again(staged_job, damage):
    with Store(staged_job) as store:
        commit(store, 0, 0)
        path = store.folder / "stages/000000.0.curvature"
        path.unlink() if damage is None else path.write_bytes(damage)
    with Store(staged_job) as store:
        assert not store.stages


def test_a_stage_is_kept_without_it_when_the_next_one_is_done(staged_job):
    with Store(staged_job) as store:
        for stage in range(3):
            commit(store, 0, stage)
    with Store(staged_job) as store:
        assert store.stages.keys() == {(0, 0), (0, 1)}


def test_where_a_later_stage_is_lost_all_below_it_are_painted_again(staged_job):
    with Store(staged_job) as store:
        commit(store, 0, 0)
        commit(store, 0, 1)
        (store.folder / "stages/000000.1.png").write_bytes(b"else")
    with Store(staged_job) as store:
        assert not store.stages


def test_a_finished_frame_that_is_lost_is_painted_again_from_its_first_stage(staged_job):
    with Store(staged_job) as store:
        for stage in range(3):
            commit(store, 0, stage)
        (store.folder / "frames/000000.png").unlink()
    with Store(staged_job) as store:
        assert not store.records
        assert not store.stages


def test_damage_while_a_run_goes_on_is_said(staged_job):
    with Store(staged_job) as store:
        commit(store, 0, 0)
        (store.folder / "stages/000000.0.curvature").write_bytes(b"else")
        with pytest.raises(Exception, match=r"000000.0.curvature was damaged or deleted"):
            store.curvature(0, 0)
