"""Regions with styles of their own, and clear areas, as the engine paints them."""

import pytest
import torch
from engine import WEIGHTS, network, picture, styles_of, stylizer

from render.errors import EngineError
from render.style.keeping import Keeping
from render.style.targets import Binding


@pytest.fixture
def vgg():
    return network("float32")


def half_masks(width=64, height=48):
    left = torch.zeros(1, 1, height, width)
    left[..., : width // 2] = 1
    return left, 1 - left


def test_regions_are_painted_each_like_its_own_style(vgg):
    """The left half comes out as in a picture painted in the first style alone, and so on."""
    content = picture(96, 48, 0)
    left, right = half_masks(96)
    bound = styles_of(vgg, (1.0, 1.0), bindings=(Binding(0), Binding(1)))
    alone = [stylizer(vgg, styles_of(vgg, seed=seed)).stylize(content).pixels for seed in (10, 11)]
    found = stylizer(vgg, bound).stylize(content, areas=[left, right]).pixels
    for area, near, far in ((left, *alone), (right, *reversed(alone))):
        inside = area * (found - near).square(), area * (found - far).square()
        assert inside[0].mean() < 0.5 * inside[1].mean()


def test_what_no_region_covers_keeps_its_content(vgg):
    content = picture(96, 48, 0)
    left, right = half_masks(96)
    one = stylizer(vgg, styles_of(vgg, bindings=(Binding(),)), evaluations=40)
    change = (one.stylize(content, areas=[left]).pixels - content).square()
    assert (right * change)[..., 60:].mean() < 0.05 * (left * change).mean()


def test_one_region_over_everything_is_the_same_as_none(vgg):
    content, whole = picture(64, 48, 0), torch.ones(1, 1, 48, 64)
    bound = stylizer(vgg, styles_of(vgg, bindings=(Binding(),)), evaluations=15).stylize(
        content, areas=[whole]
    )
    free = stylizer(vgg, evaluations=15).stylize(content)
    torch.testing.assert_close(bound.trace, free.trace, rtol=1e-3, atol=0)
    torch.testing.assert_close(bound.pixels, free.pixels, atol=5e-3, rtol=0)


def test_an_empty_region_does_no_harm(vgg):
    """A mask of a video whose region has left the picture."""
    bound = stylizer(vgg, styles_of(vgg, (1.0, 1.0), bindings=(Binding(0), Binding(1))))
    whole = torch.ones(1, 1, 48, 64)
    found = bound.stylize(picture(64, 48, 0), areas=[whole, torch.zeros_like(whole)])
    assert torch.isfinite(found.trace).all()
    assert found.trace[0].item() == pytest.approx(WEIGHTS.style, rel=1e-3)


def test_the_weight_of_a_region_is_that_of_its_style_loss(vgg):
    content = picture(64, 48, 0)
    areas = half_masks()
    for weight in (1.0, 3.0):
        bound = styles_of(vgg, bindings=(Binding(), Binding(weight=weight)))
        first = stylizer(vgg, bound, evaluations=1).stylize(content, areas=areas).trace[0]
        assert first.item() == pytest.approx(WEIGHTS.style * (1 + weight) / 2, rel=1e-3)


def test_clear_areas_stay_as_they_are_and_do_not_count(vgg):
    content = picture(96, 48, 0)
    opaque, _ = half_masks(96)
    found = stylizer(vgg, evaluations=20).stylize(content, opaque=opaque).pixels
    assert torch.equal(found[..., 48:], content[..., 48:])
    change = (found - content).square()
    assert change[..., :48].mean() > 1e-3


@pytest.mark.parametrize("settings", [{}, {"repaint": True}, {"keeping": Keeping("palette")}])
def test_colours_that_are_hidden_change_nothing(vgg, settings):
    content, opaque = picture(96, 48, 0), half_masks(96)[0]
    painted = []
    for hidden in (content, 1 - content, torch.zeros_like(content), torch.ones_like(content)):
        given = torch.where(opaque > 0, content, hidden)
        made = stylizer(vgg, evaluations=4, settings=settings).stylize(given, opaque=opaque)
        painted.append(made.pixels[..., :48])
    for other in painted[1:]:
        assert torch.equal(other, painted[0])


def test_the_edge_of_a_clear_area_is_as_calm_as_what_is_painted(vgg):
    content = picture(96, 48, 0)
    opaque, _ = half_masks(96)
    found = stylizer(vgg, evaluations=60).stylize(content, opaque=opaque).pixels
    rough = found.diff(dim=2).square().mean((0, 1, 2))
    assert rough[46:48].mean() < 2 * rough[8:40].mean()


def test_a_picture_that_is_clear_everywhere_is_given_back(vgg):
    content = picture(64, 48, 0)
    found = stylizer(vgg).stylize(content, opaque=torch.zeros(1, 1, 48, 64))
    assert torch.equal(found.pixels, content)
    assert torch.isfinite(found.trace).all()


def test_masks_of_another_shape_or_number_are_refused_by_name(vgg):
    content = picture(64, 48, 0)
    bound = stylizer(vgg, styles_of(vgg, bindings=(Binding(),)))
    with pytest.raises(EngineError, match=r"style\.regions\.0\.content: .*64×40 .*64×48"):
        bound.stylize(content, areas=[torch.ones(1, 1, 40, 64)])
    with pytest.raises(EngineError, match=r"style\.regions: 0 masks for 1 regions"):
        bound.stylize(content)
    with pytest.raises(EngineError, match=r"alpha: a mask of 10×10"):
        stylizer(vgg).stylize(content, opaque=torch.ones(1, 1, 10, 10))
    with pytest.raises(EngineError, match=r"style\.regions\.0\.content: .*not finite"):
        bound.stylize(content, areas=[torch.full((1, 1, 48, 64), torch.nan)])


def test_samples_with_their_own_palettes_and_masks_do_not_touch_each_other(vgg):
    contents = torch.cat([picture(64, 48, seed) for seed in (0, 1)])
    left, right = half_masks()
    bound = styles_of(vgg, (1.0, 1.0), loss="covariance", bindings=(Binding(0), Binding(1)))
    painter = stylizer(vgg, bound, settings={"keeping": Keeping("palette")}, evaluations=6)
    areas = [torch.cat((left, right)), torch.cat((right, left))]
    both = painter.stylize(contents, areas=areas)
    for n in range(2):
        one = painter.stylize(contents[n : n + 1], areas=[area[n : n + 1] for area in areas])
        torch.testing.assert_close(both.pixels[n : n + 1], one.pixels, atol=2e-3, rtol=0)
        torch.testing.assert_close(both.trace[:, n : n + 1], one.trace, rtol=1e-3, atol=0)
