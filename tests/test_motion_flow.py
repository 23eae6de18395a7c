import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from render.errors import EngineError
from render.motion.flow import estimate_flow, measured_size
from render.sample import SampleClip


def texture(width: int, height: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 128, np.float32)
    for cell, amount in ((24, 30), (8, 25), (4, 15)):
        noise = rng.normal(0, amount, (height // cell + 3, width // cell + 3, 3))
        picture += cv2.resize(
            noise.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
        )
    return np.clip(picture, 0, 255).astype(np.uint8)


def error(flow: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Endpoint error, H×W."""
    return np.hypot(*np.moveaxis(flow - truth, -1, 0))


def moved_by(dx: int, dy: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Two views of one texture; a point at (x, y) of the first is at (x + dx, y + dy) in the other."""
    big = texture(width + 40, height + 40)
    source = big[20 : 20 + height, 20 : 20 + width]
    target = big[20 - dy : 20 - dy + height, 20 - dx : 20 - dx + width]
    return source, target


@settings(deadline=None, max_examples=20, derandomize=True)
@given(dx=st.integers(-6, 6), dy=st.integers(-6, 6))
def test_flow_points_from_a_pixel_of_the_source_to_where_it_is_in_the_target(dx, dy):
    flow = estimate_flow(*moved_by(dx, dy, 97, 61))
    assert flow.shape == (61, 97, 2)
    assert flow.dtype == np.float32
    inner = error(flow, np.array([dx, dy]))[8:-8, 8:-8]
    assert np.median(inner) < 0.1


def test_flow_is_blind_to_a_change_of_brightness():
    source, target = moved_by(3, -2, 96, 64)
    darker = (target * 0.6).astype(np.uint8)
    assert np.median(error(estimate_flow(source, darker), np.array([3, -2]))) < 0.2


def test_equal_pictures_have_no_flow():
    picture = texture(90, 50)
    assert not estimate_flow(picture, picture).any()


@pytest.mark.parametrize(
    ("width", "height", "measured"),
    [
        (256, 144, (256, 144)),
        (960, 540, (960, 540)),
        (1920, 1080, (960, 540)),
        (1080, 1920, (540, 960)),
        (40, 30, (40, 30)),
        (7, 5, (16, 16)),
        (4000, 20, (960, 16)),
    ],
)
def test_large_pictures_are_measured_smaller_and_tiny_ones_larger(width, height, measured):
    assert measured_size(width, height) == measured


def test_flow_measured_smaller_is_given_in_pixels_of_the_picture():
    source, target = (
        cv2.resize(p, (1200, 900), interpolation=cv2.INTER_CUBIC) for p in moved_by(5, 3, 240, 180)
    )
    flow = estimate_flow(source, target)
    assert flow.shape == (900, 1200, 2)
    assert np.median(error(flow, np.array([25, 15]))[60:-60, 60:-60]) < 0.5


def test_flow_of_a_tiny_picture_is_found():
    flow = estimate_flow(*moved_by(2, -1, 40, 30))
    assert np.median(error(flow, np.array([2, -1]))) < 0.2


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 5), (11, 40), (13, 9), (41, 31), (700, 5)])
def test_pictures_of_any_size_have_a_flow(size):
    width, height = size
    source, target = moved_by(1, 0, width, height)
    flow = estimate_flow(source, target)
    assert flow.shape == (height, width, 2)
    assert np.isfinite(flow).all()


@pytest.mark.parametrize("size", [(40, 30), (255, 143), (640, 360), (1100, 300)])
def test_flow_is_the_same_to_the_byte_whatever_the_number_of_threads(size):
    width, height = size
    source = texture(width, height, 1)
    target = np.roll(source, 3, axis=1)
    target[: height // 2] = texture(width, height, 2)[: height // 2]
    threads = cv2.getNumThreads()
    flows = []
    try:
        for count in (1, 2, 3, 8, 1):
            cv2.setNumThreads(count)
            flows.append(estimate_flow(source, target).tobytes())
    finally:
        cv2.setNumThreads(threads)
    assert len(set(flows)) == 1


def test_flow_is_near_the_true_flow_of_the_sample_clip():
    clip = SampleClip(width=256, height=144)
    for shot in clip.shots:
        errors = []
        for t in (shot[3], shot[8]):
            flow = estimate_flow(clip.frame(t), clip.frame(t - 1))
            errors.append(error(flow, clip.flow(t, t - 1))[clip.visible(t, t - 1)])
        assert np.median(np.concatenate(errors)) < 0.15
        assert np.concatenate(errors).mean() < 0.6


def test_read_only_and_cropped_pictures_are_taken():
    source, target = moved_by(1, 1, 64, 48)
    expected = estimate_flow(source.copy(), target.copy())
    source.flags.writeable = False
    assert np.array_equal(estimate_flow(source, target), expected)


def test_pictures_of_different_sizes_are_refused():
    with pytest.raises(EngineError, match=r"two pictures of one size, not \(30, 40, 3\)"):
        estimate_flow(texture(40, 30), texture(40, 31))
    empty = np.zeros((0, 4, 3), np.uint8)
    with pytest.raises(EngineError, match="two pictures"):
        estimate_flow(empty, empty)
