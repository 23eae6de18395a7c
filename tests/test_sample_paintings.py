"""The style pictures and the still life: deterministic, rich, and unlike each other."""

import numpy as np
import pytest

from render.sample.facets import facets
from render.sample.fruit import fruit
from render.sample.hatching import hatching
from render.sample.swirls import swirls

PAINTERS = {"swirls": swirls, "facets": facets, "hatching": hatching, "fruit": fruit}


@pytest.fixture(scope="module")
def gallery():
    return {name: paint(160, 120) for name, paint in PAINTERS.items()}


def grey(picture):
    return picture.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)


@pytest.mark.parametrize("name", PAINTERS)
def test_a_painting_has_the_size_asked_for(gallery, name):
    assert gallery[name].shape == (120, 160, 3)
    assert gallery[name].dtype == np.uint8


@pytest.mark.parametrize("name", PAINTERS)
def test_a_painting_is_the_same_every_time_and_another_with_another_seed(gallery, name):
    np.testing.assert_array_equal(PAINTERS[name](160, 120), gallery[name])
    assert np.abs(PAINTERS[name](160, 120, seed=99).astype(int) - gallery[name]).mean() > 1


@pytest.mark.parametrize("name", ["swirls", "facets", "hatching"])
def test_a_style_has_texture_nearly_everywhere(gallery, name):
    tiles = grey(gallery[name]).reshape(6, 20, 8, 20).std(axis=(1, 3))
    assert np.percentile(tiles, 5) > 4


@pytest.mark.parametrize("name", PAINTERS)
def test_a_painting_uses_the_whole_scale_of_tones_and_several_hues(gallery, name):
    low, high = np.percentile(grey(gallery[name]), (2, 98))
    assert high - low > 100
    pixels = gallery[name].reshape(-1, 3).astype(int)
    warm = (pixels[:, 0] > pixels[:, 2] + 20).mean()
    cool = (pixels[:, 2] > pixels[:, 0] + 5).mean()
    assert warm > 0.05
    assert cool > 0.02


def test_swirls_are_blue_facets_russet_and_hatching_pale(gallery):
    red, _, blue = gallery["swirls"].reshape(-1, 3).astype(int).T
    assert (blue > red + 10).mean() > 0.4
    red, _, blue = gallery["facets"].reshape(-1, 3).astype(int).T
    assert (red > blue + 10).mean() > 0.45
    lightest = max(gallery, key=lambda name: np.percentile(grey(gallery[name]), 75))
    assert lightest == "hatching"


def test_hatching_has_the_finest_lines(gallery):
    def roughness(picture):
        tone = grey(picture)
        return np.abs(np.diff(tone, axis=0)).mean() + np.abs(np.diff(tone, axis=1)).mean()

    styles = {name: roughness(gallery[name]) for name in ("swirls", "facets", "hatching")}
    assert max(styles, key=styles.get) == "hatching"
