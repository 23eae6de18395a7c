import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from render.errors import EngineError
from render.motion.warp import warp
from render.sample import SampleClip


def picture(width: int = 40, height: int = 30, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 1, (height, width, channels)).astype(np.float32)


def constant_flow(width: int, height: int, dx: float, dy: float) -> np.ndarray:
    return np.full((height, width, 2), (dx, dy), np.float32)


def gradient_energy(image: np.ndarray) -> float:
    inner = image[8:-8, 8:-8]
    return float((np.diff(inner, axis=0) ** 2).mean() + (np.diff(inner, axis=1) ** 2).mean())


@given(
    width=st.integers(1, 30),
    height=st.integers(1, 30),
    channels=st.integers(1, 4),
    whole=st.booleans(),
)
@settings(deadline=None, derandomize=True)
def test_a_flow_of_zeros_returns_the_picture_itself(width, height, channels, whole):
    image = picture(width, height, channels)
    if whole:
        image = (image * 255).astype(np.uint8)
    warped = warp(image, constant_flow(width, height, 0, 0))
    assert warped.dtype == image.dtype
    assert warped.tobytes() == image.tobytes()


@given(dx=st.integers(-5, 5), dy=st.integers(-5, 5))
@settings(deadline=None, derandomize=True)
def test_a_pixel_is_taken_from_where_the_flow_points(dx, dy):
    image = picture()
    warped = warp(image, constant_flow(40, 30, dx, dy))
    columns = np.clip(np.arange(40) + dx, 0, 39)
    rows = np.clip(np.arange(30) + dy, 0, 29)
    # Beyond the border the nearest pixel of the border stands.
    assert np.allclose(warped, image[rows][:, columns], atol=1e-6)


@given(seed=st.integers(0, 99), low=st.floats(-200, 0), high=st.floats(1, 300))
@settings(deadline=None, derandomize=True)
def test_values_stay_in_the_range_of_the_picture(seed, low, high):
    rng = np.random.default_rng(seed)
    image = np.where(rng.random((20, 20, 3)) < 0.5, np.float32(low), np.float32(high))
    warped = warp(image, rng.normal(0, 3, (20, 20, 2)).astype(np.float32))
    assert warped.min() >= np.float32(low)
    assert warped.max() <= np.float32(high)


def test_a_flat_picture_stays_flat():
    flow = np.random.default_rng(0).normal(0, 5, (30, 40, 2)).astype(np.float32)
    image = np.full((30, 40, 3), 0.3, np.float32)
    assert np.array_equal(warp(image, flow), image)


def test_a_smooth_picture_is_resampled_between_pixels():
    x = np.arange(80, dtype=np.float32)
    image = np.repeat(np.sin(x / 6)[None, :, None], 20, axis=0)
    warped = warp(image, constant_flow(80, 20, 0.5, 0))
    assert np.abs(warped[:, 8:-8, 0] - np.sin((x + 0.5) / 6)[8:-8]).max() < 2e-3


def test_a_chain_of_warps_keeps_far_more_detail_than_bilinear_and_does_not_ring():
    image = cv2.GaussianBlur(picture(96, 96), (0, 0), 0.8)
    x, y = np.meshgrid(np.arange(96, dtype=np.float32), np.arange(96, dtype=np.float32))
    ours, bilinear = image, image
    for step in range(16):
        shift = 0.5 if step % 2 else -0.5
        ours = warp(ours, constant_flow(96, 96, shift, shift))
        bilinear = cv2.remap(bilinear, x + np.float32(shift), y + np.float32(shift), 1)
    assert 0.75 < gradient_energy(ours) / gradient_energy(image) < 1.05
    assert gradient_energy(bilinear) / gradient_energy(image) < 0.4


def test_warping_along_the_true_flow_shows_the_frame_where_both_see_the_same():
    clip = SampleClip(width=160, height=90)
    for t in (5, 20):
        frame, before = (clip.frame(i).astype(np.float32) / 255 for i in (t, t - 1))
        seen = clip.visible(t, t - 1)
        warped = ((warp(before, clip.flow(t, t - 1)) - frame)[seen] ** 2).mean()
        unwarped = ((before - frame)[seen] ** 2).mean()
        assert warped < unwarped / 4


def test_warping_is_the_same_to_the_byte_whatever_the_number_of_threads():
    image = picture(333, 217)
    flow = np.random.default_rng(1).normal(0, 4, (217, 333, 2)).astype(np.float32)
    threads = cv2.getNumThreads()
    results = set()
    try:
        for count in (1, 2, 5, 1):
            cv2.setNumThreads(count)
            results.add(
                warp(image, flow).tobytes() + warp((image * 255).astype(np.uint8), flow).tobytes()
            )
    finally:
        cv2.setNumThreads(threads)
    assert len(results) == 1


def test_read_only_pictures_are_taken_and_left_as_they_are():
    image, flow = picture(), constant_flow(40, 30, 1.5, 0)
    before = image.copy()
    image.flags.writeable = flow.flags.writeable = False
    assert warp(image, flow).shape == image.shape
    assert np.array_equal(image, before)


def test_a_flow_of_another_size_is_refused():
    with pytest.raises(
        EngineError, match=r"\(30, 40, 3\) cannot be warped by a flow \(30, 41, 2\)"
    ):
        warp(picture(), constant_flow(41, 30, 0, 0))


def test_more_than_four_channels_are_refused():
    with pytest.raises(EngineError, match="1 to 4 channels"):
        warp(picture(channels=5), constant_flow(40, 30, 0, 0))
