"""The painter over many frames: what a chain must not do little by little."""

import numpy as np
import pytest
from conftest import smooth_noise
from painting import SIZE, painter

from render.metrics import looks
from render.warm import Links, Neighbour


@pytest.mark.slow
def test_before_a_still_camera_neither_light_nor_detail_wanders_and_the_style_grows():
    """The camera has noise, so that no place keeps its pixels; means over thirteen frames."""
    scene, generator = smooth_noise(*SIZE, seed=3), np.random.default_rng(0)
    chain = painter(
        optimize={"evaluations": 30, "warm_evaluations": 8}, temporal={"parallel": "chain"}
    )
    links, seen, style = None, [], []
    for frame in range(40):
        noisy = (scene + generator.normal(0, 1.5, scene.shape)).clip(0, 255).astype(np.uint8)
        done = chain.paint(noisy, links, index=frame)
        links = Links(Neighbour(noisy, done.pixels, detail=done.detail))
        found = looks(done.pixels)
        seen.append((found.sharpness, found.brightness, found.contrast))
        style.append(done.loss["style"])
    early, *later = np.array(seen[1:]).reshape(3, 13, 3).mean(1)
    for means in later:
        assert means == pytest.approx(early, rel=0.05)
    assert np.mean(style[-13:]) < np.mean(style[1:14])
