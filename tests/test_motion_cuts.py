from collections.abc import Iterator
from fractions import Fraction

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from render.errors import SourceError
from render.motion.cuts import find_cuts, longest_flash

WIDTH, HEIGHT = 96, 54
RATE = Fraction(24)


def scenery(seed: int, width: int = 6 * WIDTH, height: int = 3 * HEIGHT) -> np.ndarray:
    """A large picture with colours, blobs and fine texture of its own."""
    rng = np.random.default_rng(seed)
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = rng.uniform(40, 200, 3)
    for cell, amount in ((40, 40), (16, 30), (6, 20), (3, 12)):
        noise = rng.normal(0, amount, (height // cell + 3, width // cell + 3, 3))
        picture += cv2.resize(
            noise.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
        )
    for _ in range(60):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        axes = (int(rng.integers(4, 25)), int(rng.integers(4, 25)))
        colour = tuple(float(c) for c in rng.uniform(0, 255, 3))
        cv2.ellipse(picture, centre, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1)
    return cv2.GaussianBlur(picture, (0, 0), 0.7)


def shot(seed: int, count: int, speed: float = 1.0) -> list[np.ndarray]:
    """`count` frames of a camera that pans over a scenery by `speed` pixels a frame, with grain."""
    big, rng = scenery(seed), np.random.default_rng(seed)
    frames = []
    for t in range(count):
        shift = np.float32([[1, 0, -20 - speed * t], [0, 1, -20 - 0.3 * t]])
        view = cv2.warpAffine(big, shift, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
        frames.append(to_pixels(view + rng.normal(0, 2, view.shape)))
    return frames


def to_pixels(picture: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def lit(frames: list[np.ndarray], gains: list[float], offset: float = 0.0) -> list[np.ndarray]:
    return [to_pixels(f * g + offset * (g != 1)) for f, g in zip(frames, gains, strict=True)]


def film(
    lengths: list[int], speed: float = 1.0, seed: int = 0
) -> tuple[list[np.ndarray], list[int]]:
    """Shots of these lengths one after the other, and where the cuts are."""
    frames = [f for i, n in enumerate(lengths) for f in shot(seed + i, n, speed)]
    return frames, list(np.cumsum(lengths)[:-1])


@pytest.mark.parametrize(
    "lengths",
    [
        pytest.param([20, 17, 30], id="three shots"),
        pytest.param([10] * 6, id="a cut every ten frames"),
        pytest.param([3] * 8, id="a cut every three frames"),
        pytest.param([2] * 8, id="a cut every second frame"),
        pytest.param([20, 1, 20], id="a single-frame shot"),
        pytest.param([12, 1, 1, 1, 12], id="single-frame shots in a row"),
        pytest.param([1] * 6, id="every frame another picture"),
        pytest.param([1, 20], id="a cut after the first frame"),
        pytest.param([2, 20], id="a cut after the second frame"),
        pytest.param([20, 1], id="a cut before the last frame"),
        pytest.param([20, 2], id="a cut before the last two frames"),
        pytest.param([1, 1], id="two frames"),
        pytest.param([2, 2], id="four frames"),
    ],
)
@pytest.mark.parametrize("speed", [0.0, 1.0, 5.0])
def test_cuts_stand_exactly_at_the_first_frames_of_new_shots(lengths, speed):
    frames, cuts = film(lengths, speed)
    assert find_cuts(frames, RATE) == cuts


@settings(deadline=None, max_examples=15, derandomize=True)
@given(
    lengths=st.lists(st.integers(1, 15), min_size=1, max_size=6),
    seed=st.integers(0, 1000).map(lambda n: 10 * n),
)
def test_any_row_of_hard_cuts_is_found_exactly(lengths, seed):
    frames, cuts = film(lengths, 1.0, seed)
    assert find_cuts(frames, RATE) == cuts


def test_a_scene_that_comes_back_after_a_shot_of_another_is_a_shot_again():
    first, other = shot(1, 40), shot(2, 40)
    frames = first[:10] + other[10:20] + first[20:30] + other[30:40]
    assert find_cuts(frames, RATE) == [10, 20, 30]


def test_an_insert_of_one_frame_is_a_shot():
    frames, insert = shot(3, 30), shot(4, 1)
    frames[15] = insert[0]
    assert find_cuts(frames, RATE) == [15, 16]


def test_cuts_to_and_from_black_are_cuts():
    black = [np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 10
    assert find_cuts(shot(5, 15) + black + shot(6, 15), RATE) == [15, 25]


def test_cuts_between_dark_scenes_are_found():
    frames, cuts = film([15, 15, 15])
    assert find_cuts([to_pixels(f * 0.2) for f in frames], RATE) == cuts


@pytest.mark.parametrize("speed", [0.0, 0.5, 3.0, WIDTH / 20, WIDTH / 10])
def test_a_pan_is_one_shot(speed):
    assert find_cuts(shot(7, 30, speed), RATE) == []


def test_a_camera_that_starts_and_stops_at_once_is_one_shot():
    big = scenery(8)
    offsets = [0] * 10 + [9 * t for t in range(1, 10)] + [81] * 10
    frames = [to_pixels(big[10 : 10 + HEIGHT, 10 + x : 10 + x + WIDTH]) for x in offsets]
    assert find_cuts(frames, RATE) == []


@pytest.mark.parametrize("growth", [1.01, 1.05, 0.95])
def test_a_zoom_is_one_shot(growth):
    big, frames = scenery(9, 400, 300), []
    for t in range(20):
        matrix = cv2.getRotationMatrix2D((200, 150), 0, growth**t)
        matrix[:, 2] -= (200 - WIDTH / 2, 150 - HEIGHT / 2)
        frames.append(to_pixels(cv2.warpAffine(big, matrix, (WIDTH, HEIGHT))))
    assert find_cuts(frames, RATE) == []


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("strength", [1.5, 3.0, 20.0])
@pytest.mark.parametrize("speed", [0.0, 1.0, 4.0])
def test_a_flash_does_not_split_a_shot(length, strength, speed):
    gains = [1.0] * 12 + [strength] * length + [1.0] * 12
    assert find_cuts(lit(shot(10, len(gains), speed), gains, 20.0), RATE) == []


def test_a_flash_that_dies_away_does_not_split_a_shot():
    gains = [1.0] * 12 + [30.0, 6.0, 1.8, 1.4, 1.2, 1.1] + [1.0] * 12
    assert find_cuts(lit(shot(11, len(gains)), gains), RATE) == []


def test_black_frames_that_were_dropped_into_a_shot_do_not_split_it():
    gains = [1.0] * 12 + [0.0, 0.0] + [1.0] * 12
    assert find_cuts(lit(shot(12, len(gains)), gains), RATE) == []


def test_a_flash_beside_a_cut_does_not_hide_it():
    frames, cuts = film([20, 20])
    gains = [1.0] * 14 + [20.0] * 2 + [1.0] * 24
    assert find_cuts(lit(frames, gains), RATE) == cuts


def test_a_flash_may_last_an_eighth_of_a_second_but_three_frames_at_least():
    assert [longest_flash(r) for r in (None, Fraction(12), Fraction(24), Fraction(60))] == [
        3,
        3,
        3,
        8,
    ]
    assert longest_flash(Fraction(1000)) == 8
    gains = [1.0] * 15 + [20.0] * 6 + [1.0] * 15
    frames = lit(shot(13, len(gains)), gains)
    assert find_cuts(frames, Fraction(60000, 1001)) == []
    assert find_cuts(frames, Fraction(24000, 1001)) == [15, 21]


@pytest.mark.parametrize("steps", [2, 4, 8, 20])
def test_a_fade_to_black_and_back_does_not_split_a_shot(steps):
    down = list(np.linspace(1, 0, steps + 1))
    gains = [1.0] * 8 + down + [0.0] * 5 + down[::-1] + [1.0] * 8
    assert find_cuts(lit(shot(14, len(gains)), gains), RATE) == []


def test_a_fade_to_white_and_back_does_not_split_a_shot():
    down = list(np.linspace(1, 0, 9))
    gains = [1.0] * 8 + down + [0.0] * 5 + down[::-1] + [1.0] * 8
    frames = shot(15, len(gains))
    white = [to_pixels(255 - (255.0 - f) * g) for f, g in zip(frames, gains, strict=True)]
    assert find_cuts(white, RATE) == []


@pytest.mark.parametrize("gain", [0.2, 0.5, 1.6])
def test_a_sudden_change_of_brightness_does_not_split_a_shot(gain):
    assert find_cuts(lit(shot(16, 30), [1.0] * 15 + [gain] * 15), RATE) == []


@pytest.mark.parametrize("level", [0, 128])
def test_noise_alone_is_one_shot(level):
    rng = np.random.default_rng(0)
    frames = [to_pixels(rng.normal(level, 4, (HEIGHT, WIDTH, 3))) for _ in range(20)]
    assert find_cuts(frames, RATE) == []


def test_a_dissolve_is_not_a_cut():
    first, second = shot(17, 30), shot(18, 30)
    share = np.clip((np.arange(30) - 10) / 10, 0, 1)
    frames = [to_pixels((1 - s) * a + s * b) for a, b, s in zip(first, second, share, strict=True)]
    assert find_cuts(frames, RATE) == []


@pytest.mark.parametrize("count", [0, 1])
def test_a_video_of_at_most_one_frame_has_no_cut(count):
    assert find_cuts(shot(19, count), None) == []


@pytest.mark.parametrize("size", [(1, 1), (4, 3), (13, 9), (40, 30), (301, 7)])
def test_pictures_of_any_size_are_taken(size):
    frames = [cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in film([8, 8])[0]]
    cuts = find_cuts(frames, RATE)
    assert cuts in ([], [8])
    assert size != (40, 30) or cuts == [8]


def test_the_sequence_is_read_once_and_not_kept():
    alive, most = 0, 0

    class Counted(np.ndarray):
        def __del__(self):
            nonlocal alive
            alive -= 1

    def stream() -> Iterator[np.ndarray]:
        nonlocal alive, most
        for frame in shot(20, 60):
            alive += 1
            most = max(most, alive)
            yield frame.view(Counted)

    find_cuts(stream(), RATE)
    assert most < 20


def test_cuts_do_not_depend_on_threads_or_repetition():
    frames, _ = film([9, 1, 7, 12], 5.0)
    threads = cv2.getNumThreads()
    found = []
    try:
        for count in (1, 2, 5, 1):
            cv2.setNumThreads(count)
            found.append(find_cuts(frames, RATE))
    finally:
        cv2.setNumThreads(threads)
    assert found == [found[0]] * 4


def test_frames_of_different_sizes_are_refused_by_name():
    frames = shot(21, 5)
    frames[3] = frames[3][:-1]
    with pytest.raises(SourceError, match=r"frame 3 has the shape \(53, 96, 3\)"):
        find_cuts(frames, RATE)
