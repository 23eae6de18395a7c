"""The painter: frames in, frames out, and nothing but its arguments matters."""

import numpy as np
import pytest
import torch
from conftest import smooth_noise
from painting import CPU, SIZE, distance, halves, job, moving_frames, painter

from render.assembly import Extras
from render.errors import EngineError
from render.motion.detail import seen
from render.motion.flow import estimate_flow
from render.motion.still import REACH
from render.painted import DivergedError
from render.painter import Painter, frame_seed
from render.pixels import unit
from render.spec.stages import stage_count, stage_evaluations
from render.warm import Links, Neighbour, recolour


@pytest.fixture(scope="module")
def frames():
    return moving_frames()


@pytest.fixture(scope="module")
def first(frames):
    return painter().paint(frames[0])


def test_a_painted_frame_has_the_size_of_its_content_and_its_losses_by_name(frames, first):
    assert first.pixels.shape == frames[0].shape
    assert first.pixels.dtype == np.uint8
    assert first.evaluations == 6
    assert first.loss.keys() == {"content", "style", "tv"}
    assert distance(first.pixels, frames[0]) > 5


def test_the_same_frame_is_painted_the_same_by_another_painter_and_after_other_frames(
    frames, first
):
    other = painter()
    other.paint(frames[1])
    assert np.array_equal(other.paint(frames[0]).pixels, first.pixels)


def test_passthrough_gives_back_what_it_gets_and_loads_nothing(frames):
    through = Painter(job(engine="passthrough", model={"weights": "/none"}), [], CPU)
    painted = through.paint(frames[0], Links(Neighbour(frames[1], frames[1])))
    assert np.array_equal(painted.pixels, frames[0])
    assert (painted.evaluations, painted.loss) == (0, {})


def test_a_frame_after_another_is_started_from_it_with_the_small_budget(frames, first):
    warm = painter().paint(frames[1], Links(Neighbour(frames[0], first.pixels)))
    assert warm.evaluations == 4
    assert warm.loss.keys() == {"content", "style", "tv", "temporal"}


def test_a_frame_that_is_nearly_all_new_has_more(frames, first):
    dark = Links(Neighbour(frames[0] // 4, first.pixels))
    bright = (frames[0] // 2 + 128).astype(np.uint8)
    assert painter().paint(bright, dark).evaluations == 6
    assert painter().paint(bright, dark, evaluations=3).evaluations == 3


def test_a_frame_that_follows_another_stops_when_little_is_left_to_gain(frames, first):
    budget = {"evaluations": 40, "warm_evaluations": 40}
    patient, hasty = (painter(optimize={**budget, "warm_tolerance": each}) for each in (0, 0.9))
    before = Links(Neighbour(frames[0], first.pixels))
    stages = stage_count(hasty.job)
    cold = stage_evaluations(hasty.job, stages, "first")[0]
    assert hasty.paint(frames[0]).evaluations == cold  # not of these
    longer, shorter = (each.paint(frames[1], before) for each in (patient, hasty))
    assert longer.evaluations == 40 // stages
    assert shorter.evaluations < longer.evaluations
    assert sum(shorter.loss.values()) < 3 * sum(longer.loss.values())


def test_a_few_evaluations_of_adam_are_enough_to_gain_by_on_a_frame_that_follows_another(frames):
    chain = painter(
        optimize={"optimizer": "adam", "evaluations": 60, "warm_evaluations": 8},
        temporal={"parallel": "chain"},
    )
    before = Links(Neighbour(frames[0], chain.paint(frames[0]).pixels))
    trace = [loss for _, loss in chain.paint(frames[1], before).trace]
    assert trace[-1] < 0.2 * trace[0]


def test_the_previous_result_moves_along_with_the_picture(frames, first):
    """With one evaluation nothing but the start is left: the painting, two pixels further."""
    still = painter(optimize={"evaluations": 6, "warm_evaluations": 1})
    painted = still.paint(frames[1], Links(Neighbour(frames[0], first.pixels))).pixels
    moved = first.pixels[:, 2:]
    assert distance(painted[:, :-2], moved) < 0.4 * distance(first.pixels[:, :-2], moved)


@pytest.mark.parametrize("temporal", [{"warm_start": "previous"}, {"flow": "none"}], ids=str)
def test_without_flow_the_previous_result_stays_where_it_is(frames, first, temporal):
    still = painter(optimize={"evaluations": 6, "warm_evaluations": 1}, temporal=temporal)
    painted = still.paint(frames[1], Links(Neighbour(frames[0], first.pixels)))
    assert np.array_equal(painted.pixels, first.pixels)
    assert "temporal" not in painted.loss


def test_the_flow_is_measured_by_raft_if_the_job_says_so(frames, first, monkeypatch, tmp_path):
    weights = tmp_path / "raft.pth"
    weights.write_bytes(b"weights")
    measured = []

    def load(path, device):
        def flow(source, target):
            measured.append((path, device))
            return estimate_flow(source, target)

        return flow

    monkeypatch.setattr("render.painter.load_raft", load)
    temporal = {"flow": "raft", "flow_weights": str(weights)}
    painter(temporal=temporal).paint(frames[1], Links(Neighbour(frames[0], first.pixels)))
    assert measured == [(weights, CPU)] * 2  # there and back, once for start, pull and comparison


def test_frames_that_are_not_to_be_linked_ignore_the_one_before(frames, first):
    apart = painter(temporal={"warm_start": "none"})
    painted = apart.paint(frames[0], Links(Neighbour(frames[1], frames[1])))
    assert np.array_equal(painted.pixels, first.pixels)


def test_after_a_cut_that_was_missed_the_new_content_shows_not_the_old_painting(first, frames):
    other = smooth_noise(*SIZE, seed=99)
    still = painter(optimize={"evaluations": 6, "warm_evaluations": 1})
    painted = still.paint(other, Links(Neighbour(frames[0], first.pixels))).pixels
    start = recolour(other, Neighbour(frames[0], first.pixels)) * 255
    assert distance(painted, start) < distance(painted, first.pixels)


def test_a_loss_that_is_not_finite_is_an_error(frames, monkeypatch):
    from render.style import objective

    broken = painter()
    monkeypatch.setattr(
        objective, "content_distance", lambda features, *_: features.sum((1, 2, 3)) * torch.nan
    )
    with pytest.raises(EngineError, match="not finite"):
        broken.paint(frames[0])


def test_a_frame_too_small_for_the_layers_is_an_error_that_says_so(frames):
    with pytest.raises(
        EngineError, match=r"20×20 is too small .*content\.layers.* 28 pixels a side"
    ):
        painter(content={"layers": {"relu5_1": 1}}).paint(frames[0][:20, :20])


def test_a_weight_beyond_all_numbers_is_named(frames):
    with pytest.raises(DivergedError, match=r"style: inf\); lower style\.weight"):
        painter(style={"weight": 1e39}).paint(frames[0])


REGIONS = [{"content": "/a/left.png"}, {"content": "/a/right.png", "weight": 2.0}]


def test_masks_may_be_larger_than_the_frame_but_not_of_another_shape(frames):
    bound = painter(style={"regions": REGIONS})
    small = bound.paint(frames[0], masks=halves()).pixels
    large = bound.paint(frames[0], masks=halves(256, 192)).pixels
    assert distance(small, large) < 1
    with pytest.raises(EngineError, match=r"style\.regions\.1\.content: .*30×48 .*64×48"):
        bound.paint(frames[0], masks=[halves()[0], halves(30)[1]])
    with pytest.raises(EngineError, match=r"style\.regions: 1 masks for 2 regions"):
        bound.paint(frames[0], masks=halves()[:1])


def test_a_mask_for_one_frame_does_not_linger_for_the_next(frames):
    bound = painter(style={"regions": REGIONS[:1]})
    left, right = halves()
    fresh = bound.paint(frames[0], masks=[right]).pixels
    bound.paint(frames[0], masks=[left])
    assert np.array_equal(bound.paint(frames[0], masks=[right]).pixels, fresh)


def test_the_clear_part_of_a_frame_is_its_content(frames):
    alpha = halves()[0]
    painted = painter().paint(frames[0], alpha=alpha).pixels
    assert np.array_equal(painted[:, 32:], frames[0][:, 32:])
    assert distance(painted[:, :32], frames[0][:, :32]) > 5


def test_noise_is_that_of_the_jobs_seed_and_the_frames_index(frames):
    noisy = painter(optimize={"start": "noise", "evaluations": 2})
    one, again, other = (noisy.paint(frames[0], index=n).pixels for n in (3, 3, 4))
    reseeded = painter(optimize={"start": "noise", "evaluations": 2}, seed=1)
    assert np.array_equal(one, again)
    assert distance(one, other) > 5
    assert distance(one, reseeded.paint(frames[0], index=3).pixels) > 5
    assert len({frame_seed(seed, index) for seed in range(20) for index in range(20)}) == 400


def test_a_start_picture_is_fitted_and_one_of_another_shape_refused(frames):
    def started(picture):
        made = job(optimize={"start": "/a/start.png", "evaluations": 1})
        return Painter(made, [smooth_noise(60, 50, seed=7)], CPU, Extras(start=picture))

    given = smooth_noise(SIZE[0] * 2, SIZE[1] * 2, seed=5)
    painted = started(given).paint(frames[0]).pixels
    assert distance(painted, given.reshape(48, 2, 64, 2, 3).mean((1, 3))) < 2
    with pytest.raises(EngineError, match=r"optimize\.start: .*48×64 .*64×48"):
        started(smooth_noise(*SIZE[::-1], seed=5)).paint(frames[0])
    with pytest.raises(EngineError, match=r"optimize\.start: .*not read"):
        started(None)


def test_masks_over_style_pictures_and_their_alpha_choose_what_counts(frames):
    """Half a style picture, chosen by a region's mask or by its own alpha, is that half cut out."""
    style = smooth_noise(64, 64, seed=7)
    half = halves(64, 64)[0]
    whole = np.full(SIZE[::-1], 255, np.uint8)
    regions = [{"content": "/a/c.png", "style": "/a/s.png"}]
    by_part = Painter(job(style={"regions": regions}), [style], CPU, Extras(parts=[half]))
    by_alpha = Painter(job(), [style], CPU, Extras(alphas=[half]))
    both = [
        by_part.paint(frames[0], masks=[whole]).pixels,
        by_alpha.paint(frames[0]).pixels,
    ]
    assert distance(*both) < 1
    assert distance(both[1], Painter(job(), [style], CPU).paint(frames[0]).pixels) > 2
    with pytest.raises(EngineError, match=r"style\.regions\.0\.style: .*not read"):
        Painter(job(style={"regions": regions}), [style], CPU)


@pytest.mark.parametrize("keep", ["luminance", "palette", "histogram"])
def test_kept_colours_are_kept_in_frames_that_follow_others_too(frames, keep):
    keeping = painter(colour={"keep": keep})
    first = keeping.paint(frames[0])
    second = keeping.paint(frames[1], Links(Neighbour(frames[0], first.pixels)))
    for painted, content in ((first, frames[0]), (second, frames[1])):
        off = painted.pixels.mean((0, 1)) - content.mean((0, 1))
        assert np.abs(off - off.mean()).max() < 8, "no cast of another colour"


@pytest.mark.parametrize("keep", ["none", "luminance", "palette", "histogram"])
def test_a_frame_that_comes_twice_is_painted_once(frames, first, keep):
    again = painter(colour={"keep": keep}).paint(
        frames[0], Links(Neighbour(frames[0], first.pixels))
    )
    np.testing.assert_array_equal(again.pixels, first.pixels)
    assert again.evaluations == 1


def test_what_stands_still_keeps_its_pixels_while_the_rest_is_painted(frames, first):
    changed = frames[0].copy()
    changed[:, :20] = changed[::-1, :20]
    painted = painter().paint(changed, Links(Neighbour(frames[0], first.pixels)))
    far = 20 + REACH
    np.testing.assert_array_equal(painted.pixels[:, far:], first.pixels[:, far:])
    assert (painted.pixels[:, :20] != first.pixels[:, :20]).mean() > 0.5
    assert painted.evaluations > 1


def test_a_mask_that_changes_where_the_content_stands_still_is_painted(frames):
    left, right = halves()
    bound = painter(style={"regions": REGIONS[:1]})
    before = bound.paint(frames[0], masks=[left]).pixels
    after = bound.paint(frames[0], Links(Neighbour(frames[0], before)), masks=[right]).pixels
    assert distance(after[:, 32:], before[:, 32:]) > 1


def test_a_chain_goes_by_the_detail_of_its_first_frame(frames, first):
    assert first.detail == seen(unit(frames[0]), unit(first.pixels))
    before = Links(Neighbour(frames[0], first.pixels, detail=first.detail))
    assert painter().paint(frames[1], before).detail == first.detail


def test_a_chain_that_fades_in_goes_by_the_detail_of_the_scene(frames, first):
    black = np.zeros_like(frames[0])
    before = Links(Neighbour(black, first.pixels, detail=seen(unit(black), unit(first.pixels))))
    scene = painter().paint(frames[0], before)
    assert scene.detail == seen(unit(frames[0]), unit(scene.pixels))
