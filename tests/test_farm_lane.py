"""What a frame is sent along with: what it is linked to, and how far away that is."""

from contextlib import ExitStack, closing

import pytest
from conftest import smooth_noise
from PIL import Image

from render.farm.lane import LEAD, Lane
from render.farm.lanes import Lanes
from render.inputs import prepare, settled_plan
from render.media.frames import FrameError
from render.media.stills import encode_png
from render.plan import Unit
from render.store import Store


@pytest.fixture
def lane(video_job):
    """Makes a lane of a unit, some of whose frames are painted: negatives of their contents."""
    with ExitStack() as stack:

        def make(unit, painted, *overrides):
            job = video_job("input.cuts=[]", *overrides)
            source = prepare(job).source
            store = stack.enter_context(Store(job))
            for frame in painted:
                (content,) = source.read(range(frame, frame + 1))
                negative = encode_png(255 - content.pixels, None)
                store.commit(frame, f"frames/{frame:06}.png", negative, {})
            return stack.enter_context(closing(Lane(job, unit, 0, source, store, ())))

        yield make


def test_frames_further_back_are_sent_with_their_distance_the_nearest_first(lane):
    line = lane(Unit(0, 0, range(12), chained=True), range(8), "temporal.long_term=4")
    task = line.next()
    linked = [task.chain, *task.earlier]
    assert task.frame.index == 8
    assert [other.steps for other in linked] == [1, 2, 4]
    assert len({other.content.tobytes() for other in linked}) == 3
    assert all((other.result == 255 - other.content).all() for other in linked)


def test_what_the_worker_has_is_sent_by_its_number(lane):
    line = lane(Unit(0, 0, range(12), chained=True), range(8), "temporal.long_term=4")
    task = line.next(held=[7, 4])
    assert task.chain == 7
    assert [getattr(other, "steps", other) for other in task.earlier] == [2, 4]


def test_a_frame_that_is_led_is_sent_with_the_anchor_and_the_way_there(lane):
    unit = Unit(1, 0, range(1, 5), chained=True, after=0, towards=5, bridge=4)
    task = lane(unit, [0, 1, 5], "temporal.parallel=anchors").next()
    assert task.frame.index == 2
    anchor = task.bridge.anchor
    assert (anchor.steps, len(anchor.between)) == (3, 2)
    assert task.bridge.share == pytest.approx(LEAD / 4)


def test_an_anchor_is_sent_with_the_frames_on_the_way_from_the_one_before(lane):
    unit = Unit(0, 0, (0, 5, 9), chained=True, anchors=True)
    task = lane(unit, [0], "temporal.parallel=anchors").next()
    assert task.frame.index == 5
    assert (task.chain.steps, len(task.between)) == (5, 4)


@pytest.mark.parametrize("way", ["waves", "chain"])
def test_a_frame_whose_finished_neighbour_cannot_be_read_fails_in_its_place(
    video_job, tmp_path, way
):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(6):
        Image.fromarray(smooth_noise(32, 24, seed=number)).save(folder / f"{number}.png")
    job = video_job(f"input={{kind: video, path: {folder}, cuts: []}}", f"temporal.parallel={way}")
    prepared = prepare(job)
    with Store(job) as store:
        plan = settled_plan(job, prepared, store)
        for frame in range(3):
            (content,) = prepared.source.read(range(frame, frame + 1))
            store.commit(frame, f"frames/{frame:06}.png", encode_png(content.pixels), {})
        whole = (folder / "2.png").read_bytes()
        (folder / "2.png").unlink()
        failed = {}
        lanes = Lanes(job, plan, prepared.source, store, failed)
        while lanes.places() and len(failed) < 6:
            with pytest.raises(FrameError, match=r"^frame 2, .*cannot be read: .*2\.png") as raised:
                lanes.next("worker")
            assert raised.value.frame not in store.records
            assert raised.value.frame not in failed
            failed[raised.value.frame] = str(raised.value)
        assert sorted(failed) == [3, 4, 5]

        (folder / "2.png").write_bytes(whole)
        task = Lanes(job, plan, prepared.source, store, {}).next("worker").task
        assert (task.frame.index, task.chain.steps) == (3, 1)


def test_a_frame_is_sent_with_its_own_mask_of_each_region(lane, tmp_path):
    for frame in range(12):
        Image.new("L", (96, 54), 10 * frame).save(tmp_path / f"sky_{frame:06}.png")
    Image.new("L", (96, 54), 200).save(tmp_path / "ground.png")
    regions = f"[{{content: {tmp_path}/sky_%06d.png}}, {{content: {tmp_path}/ground.png}}]"
    line = lane(Unit(0, 0, range(12), chained=True), range(7), f"style.regions={regions}")
    for frame in (7, 8):
        task = line.next(held=[frame - 1])
        assert [int(mask.max()) for mask in task.masks] == [10 * frame, 200]
