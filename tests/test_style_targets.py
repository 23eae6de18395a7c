"""Style pictures and their targets."""

import pytest
import torch

from render.errors import EngineError
from render.style.procedural import procedural_convolutions
from render.style.pyramid import resize
from render.style.targets import Binding, StylePicture, Styles
from render.style.vgg import Vgg

LAYERS = ("relu1_1", "relu2_1")


def picture(width, height, seed):
    generator = torch.Generator().manual_seed(seed)
    return resize(torch.rand(1, 3, 9, 9, generator=generator), width, height)


@pytest.fixture(scope="module")
def vgg():
    convolutions = procedural_convolutions("vgg16", 3)
    return Vgg(convolutions, LAYERS, pooling="average", device=torch.device("cpu"))


def styles(vgg, *pictures, loss="covariance", bindings=(), scale=1.0):
    return Styles(vgg, LAYERS, loss, pictures, bindings, scale)


FIRST, SECOND = StylePicture(picture(80, 60, 1), 1.0), StylePicture(picture(60, 60, 2), 3.0)


def same(one, other):
    for name in LAYERS:
        torch.testing.assert_close(one[name].moments.second, other[name].moments.second)
        torch.testing.assert_close(one[name].moments.mean, other[name].moments.mean)


def test_a_blend_has_the_mean_moments_of_its_pictures(vgg):
    blended = styles(vgg, FIRST, SECOND).targets(64)[0]
    one, two = (styles(vgg, each).targets(64)[0] for each in (FIRST, SECOND))
    for name in LAYERS:
        expected = 0.25 * one[name].moments.second + 0.75 * two[name].moments.second
        torch.testing.assert_close(blended[name].moments.second, expected)


def test_pictures_are_never_enlarged_and_keep_their_shape(vgg):
    made = styles(vgg, FIRST)
    same(made.targets(80)[0], made.targets(500)[0])
    same(
        made.targets(40)[0], styles(vgg, StylePicture(resize(FIRST.pixels, 40, 30))).targets(99)[0]
    )


def test_the_scale_is_that_of_the_style_beside_the_result(vgg):
    same(styles(vgg, FIRST, scale=0.5).targets(80)[0], styles(vgg, FIRST).targets(40)[0])


def test_colours_that_are_hidden_change_nothing(vgg):
    opaque = (picture(80, 60, 5)[:, :1] > 0.5).float()
    black, white = (
        styles(vgg, StylePicture(torch.where(opaque > 0, FIRST.pixels, hidden), opaque=opaque))
        for hidden in (0.0, 1.0)
    )
    same(black.targets(64)[0], white.targets(64)[0])
    assert torch.equal(black.palettes()[0].tones, white.palettes()[0].tones)


def test_targets_are_made_once_for_every_size(vgg):
    made = styles(vgg, FIRST)
    assert made.targets(64) is made.targets(64)
    assert made.targets(64) is not made.targets(48)


def test_regions_are_bound_to_pictures_and_to_parts_of_them(vgg):
    left = torch.zeros(1, 1, 60, 80)
    left[..., :40] = 1
    made = styles(
        vgg, FIRST, SECOND, bindings=(Binding(0), Binding(1), Binding(0, left), Binding())
    )
    assert made.regions == 4
    first, second, part, blended = made.targets(80)
    same(first, styles(vgg, FIRST).targets(80)[0])
    same(second, styles(vgg, SECOND).targets(80)[0])
    same(blended, styles(vgg, FIRST, SECOND).targets(80)[0])
    cut = styles(vgg, StylePicture(FIRST.pixels[..., :40])).targets(40)[0]
    distance = part["relu1_1"].distance(cut["relu1_1"].moments)
    assert distance < 0.1 * first["relu1_1"].distance(cut["relu1_1"].moments)


def test_what_is_clear_in_a_style_picture_does_not_count(vgg):
    opaque = torch.zeros(1, 1, 60, 80)
    opaque[..., :40] = 1
    hidden = torch.where(opaque > 0, FIRST.pixels, 0.0)
    masked = styles(vgg, StylePicture(hidden, opaque=opaque)).targets(80)[0]
    cut = StylePicture(FIRST.pixels[..., :40])
    torch.testing.assert_close(
        styles(vgg, StylePicture(hidden, opaque=opaque)).palettes()[0].mean,
        styles(vgg, cut).palettes()[0].mean,
    )
    bare = styles(vgg, StylePicture(hidden)).targets(80)[0]
    wanted = styles(vgg, cut).targets(40)[0]["relu1_1"].moments
    assert masked["relu1_1"].distance(wanted) < 0.1 * bare["relu1_1"].distance(wanted)


def test_a_style_of_which_nothing_counts_is_refused_by_name(vgg):
    black = torch.zeros(1, 1, 60, 80)
    with pytest.raises(EngineError, match=r"style\.images\.0: .*clear everywhere"):
        styles(vgg, StylePicture(FIRST.pixels, opaque=black))
    with pytest.raises(EngineError, match=r"style\.regions\.1: .*mask is black"):
        styles(vgg, FIRST, bindings=(Binding(0), Binding(0, black)))


def test_a_style_that_is_not_finite_is_refused_by_name(vgg):
    broken = SECOND.pixels.clone()
    broken[0, 1, 2, 3] = torch.nan
    with pytest.raises(EngineError, match=r"style\.images\.1: .*not finite"):
        styles(vgg, FIRST, StylePicture(broken))


def test_a_style_too_small_for_its_layers_is_refused_by_name(vgg):
    with pytest.raises(EngineError, match=r"style\.images\.1: at 30×3 .*too small.*4 pixels"):
        styles(vgg, FIRST, StylePicture(picture(30, 3, 0))).targets(64)


def test_at_a_coarse_scale_a_wide_style_is_as_large_as_its_layers_need(vgg):
    wide = StylePicture(picture(160, 20, 0))
    with pytest.raises(EngineError, match=r"style\.images\.0: at 24×3 .*too small"):
        styles(vgg, wide).targets(24)
    same(styles(vgg, wide).targets(24, coarse=True)[0], styles(vgg, wide).targets(32)[0])
    same(styles(vgg, wide).targets(64, coarse=True)[0], styles(vgg, wide).targets(64)[0])


def test_targets_of_the_last_sizes_are_kept(vgg):
    made = styles(vgg, FIRST)
    first = made.targets(20)
    for side in range(21, 51):
        made.targets(side)
    assert made.targets(20) is first
    for side in range(51, 83):
        made.targets(side)
    assert made.targets(20) is not first


def counting(monkeypatch):
    """Counts how often style pictures are sent through a network from now on."""
    seen = []
    plain = Vgg.features
    monkeypatch.setattr(
        Vgg, "features", lambda self, pixels: seen.append(pixels.shape) or plain(self, pixels)
    )
    return seen


def test_the_next_job_of_a_process_knows_the_moments_of_a_style_by_what_is_in_it(vgg, monkeypatch):
    first = styles(vgg, StylePicture(picture(80, 60, 7))).targets(64)[0]
    seen = counting(monkeypatch)
    same(first, styles(vgg, StylePicture(picture(80, 60, 7), 5.0)).targets(64)[0])
    assert not seen
    styles(vgg, StylePicture(picture(80, 60, 8))).targets(64)
    styles(vgg, StylePicture(picture(80, 60, 7))).targets(48)
    styles(vgg, StylePicture(picture(80, 60, 7)), loss="gram").targets(64)
    masked = StylePicture(picture(80, 60, 7), opaque=torch.ones(1, 1, 60, 80))
    styles(vgg, masked).targets(64)
    assert len(seen) == 4


def test_another_network_knows_nothing_of_it(vgg, monkeypatch):
    styles(vgg, StylePicture(picture(80, 60, 7))).targets(64)
    seen = counting(monkeypatch)
    other = Vgg(vgg.convolutions, LAYERS, pooling="max", device=torch.device("cpu"))
    styles(other, StylePicture(picture(80, 60, 7))).targets(64)
    fresh = procedural_convolutions("vgg16", 3, seed=1)
    strange = Vgg(fresh, LAYERS, pooling="average", device=torch.device("cpu"))
    styles(strange, StylePicture(picture(80, 60, 7))).targets(64)
    assert len(seen) == 2


def test_what_was_not_used_for_long_is_forgotten(vgg, monkeypatch):
    styles(vgg, StylePicture(picture(80, 60, 7))).targets(64)
    for seed in range(100, 132):
        styles(vgg, StylePicture(picture(40, 40, seed))).targets(40)
    seen = counting(monkeypatch)
    styles(vgg, StylePicture(picture(40, 40, 131))).targets(40)
    assert not seen
    styles(vgg, StylePicture(picture(80, 60, 7))).targets(64)
    assert len(seen) == 1
