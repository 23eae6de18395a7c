"""Palettes: measured, mixed, and taken on."""

import pytest
import torch

from render.style.colour import (
    blend_palettes,
    match_palette,
    match_tints,
    match_tones,
    palette,
)
from render.style.pyramid import resize


def picture(seed, side=40):
    """Colours well inside 0 to 1, so that no clamping disturbs the statistics."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.rand(3, 3, generator=generator) - 0.5
    noise = torch.randn(1, 3, side, side, generator=generator)
    return 0.5 + 0.06 * torch.einsum("ij, bjhw -> bihw", mixing, noise)


def test_a_matched_picture_has_the_palette_of_the_target():
    target = palette(picture(1))
    found = palette(match_palette(picture(0), target))
    torch.testing.assert_close(found.mean, target.mean, atol=1e-3, rtol=0)
    torch.testing.assert_close(found.covariance, target.covariance, atol=1e-4, rtol=0.02)


def test_a_picture_matched_to_itself_stays_as_it_is():
    torch.testing.assert_close(match_palette(picture(0), palette(picture(0))), picture(0))


def test_no_other_map_to_that_palette_changes_the_colours_less():
    before, target = picture(0), palette(picture(1))
    own = palette(before)
    cholesky = torch.linalg.cholesky(target.covariance) @ torch.linalg.inv(
        torch.linalg.cholesky(own.covariance)
    )
    offset = before.flatten(2).double() - own.mean[..., None]
    other = (cholesky @ offset + target.mean[..., None]).view_as(before)
    moved = match_palette(before, target)
    assert (moved - before).square().mean() < (other - before).square().mean()


def test_a_flat_picture_takes_on_the_mean():
    flat = torch.full((1, 3, 8, 8), 0.2)
    target = palette(picture(1))
    found = match_palette(flat, target)
    torch.testing.assert_close(found.mean((2, 3)).double(), target.mean, atol=1e-3, rtol=0)
    assert torch.isfinite(found).all()


def test_the_palette_of_a_blend_is_that_of_the_pictures_side_by_side():
    first, second = picture(0), picture(1)
    together = palette(torch.cat((first, second, second, second), 3))
    blended = blend_palettes([palette(first), palette(second)], [0.25, 0.75])
    torch.testing.assert_close(blended.mean, together.mean)
    torch.testing.assert_close(blended.covariance, together.covariance)


def test_pictures_of_a_batch_are_matched_each_by_itself():
    batch = torch.cat((picture(0), picture(2)))
    target = palette(picture(1))
    alone = torch.cat([match_palette(one[None], target) for one in batch])
    torch.testing.assert_close(match_palette(batch, target), alone)


def test_matched_tones_are_those_of_the_target():
    target = palette(0.6 + 0.5 * (picture(1) - 0.5))
    found = palette(match_tones(picture(0), target)).tones
    torch.testing.assert_close(found, target.tones, atol=0.02, rtol=0)


def test_a_few_bright_windows_do_not_dim_the_rest():
    room = 0.3 + 0.2 * (picture(0) - 0.5)
    room[..., :6] = 1.0
    target = palette(picture(1))
    spread = match_tones(room, target)[..., 6:].mean(1).std()
    assert spread > 1.5 * match_palette(room, target)[..., 6:].mean(1).std()


def test_few_tones_stay_as_far_apart_as_the_tones_of_the_target():
    """Line art: half of the quantiles are one tone, and its forms are in a single step."""
    drawing = torch.full((1, 3, 64, 64), 0.95)
    drawing[..., 20:40, 10:50] = 0.05
    target = palette(torch.linspace(0.1, 0.8, 64).expand(1, 3, 64, 64))
    moved = luma(match_tones(drawing, target))
    ink, paper = moved[..., 30, 30].item(), moved[..., 5, 5].item()
    assert paper - ink == pytest.approx(0.35, abs=0.03)  # as far as means of lower and upper tones
    assert moved.mean().item() == pytest.approx(0.45, abs=0.03)


def test_tones_are_spread_no_further_than_three_times():
    room = 0.5 + 0.05 * (picture(0) - 0.5)
    moved = luma(match_tones(room, palette(picture(1))))
    before, after = ((tones.max() - tones.min()).item() for tones in (luma(room), moved))
    assert after == pytest.approx(3 * before, rel=0.01)


def test_the_order_of_tones_is_kept():
    grey = torch.linspace(0.1, 0.7, 64).expand(1, 3, 8, 64)
    moved = match_tones(grey, palette(picture(1)))[0, 0, 0]
    assert (moved.diff() >= -1e-6).all()


def painting(side=40):
    """Dark is blue, light is yellow, with some red and green around."""
    light = torch.linspace(0, 1, side).expand(1, 1, side, side)
    blue, yellow = (
        torch.tensor(colour)[None, :, None, None] for colour in ((0.1, 0.15, 0.5), (0.9, 0.85, 0.4))
    )
    hue = (
        torch.linspace(-0.1, 0.1, side)[None, None, :, None]
        * torch.tensor([1.0, -0.3, 0.0])[None, :, None, None]
    )
    return torch.lerp(blue, yellow, light) + hue


def luma(pixels):
    return torch.einsum("c, bchw -> bhw", torch.tensor([0.2126, 0.7152, 0.0722]), pixels)


def test_matched_tints_give_a_grey_picture_the_colours_of_each_luma():
    grey = torch.linspace(0.25, 0.75, 64).expand(1, 3, 8, 64)
    moved = match_tints(grey, palette(painting()))
    torch.testing.assert_close(luma(moved), luma(grey), atol=1e-5, rtol=0)
    dark, light = moved[0, :, 0, 2], moved[0, :, 0, -3]
    assert dark[2] > dark[0] + 0.2
    assert light[0] > light[2] + 0.2


def test_matched_tints_do_not_blow_up_faint_hues():
    generator = torch.Generator().manual_seed(0)
    room = torch.linspace(0.3, 0.7, 64).expand(1, 3, 64, 64)
    room = room + 0.01 * torch.randn(1, 3, 64, 64, generator=generator)
    target = palette(painting())
    before, after = palette(room).variety, palette(match_tints(room, target)).variety
    assert after.diagonal(dim1=1, dim2=2).sum() <= 1.05 * before.diagonal(dim1=1, dim2=2).sum()


def test_matched_tints_calm_hues_that_the_target_has_not():
    loud, target = painting(), palette(luma(painting())[:, None].expand(-1, 3, -1, -1))
    torch.testing.assert_close(
        match_tints(loud, target), luma(loud)[:, None].expand_as(loud), atol=0.02, rtol=0
    )


def test_a_picture_matched_to_its_own_tints_stays_as_it_is():
    torch.testing.assert_close(
        match_tints(painting(), palette(painting())), painting(), atol=2e-3, rtol=0
    )


def test_what_lies_outside_an_area_does_not_count_for_its_palette():
    both = torch.cat((painting(), picture(0)), 3)
    area = torch.zeros_like(both[:, :1])
    area[..., :40] = 1
    found, wanted = palette(both, area), palette(painting())
    for name in ("mean", "covariance", "tones", "tints", "variety"):
        torch.testing.assert_close(
            getattr(found, name), getattr(wanted, name), atol=1e-6, rtol=1e-4
        )


def test_an_area_of_few_pixels_has_their_tones_and_tints():
    pixels, area = picture(0), torch.zeros_like(picture(0)[:, :1])
    area[..., 5, 7] = area[..., 20, 11] = 1
    inside = pixels[..., [5, 20], [7, 11]]
    lightness = luma(inside[..., None])[..., 0]
    inside = inside[..., lightness.flatten().argsort()]
    found = palette(pixels, area)
    torch.testing.assert_close(found.tints[..., [0, -1]].float(), inside)
    torch.testing.assert_close(found.tones[:, [0, -1]].float(), lightness.sort().values)


def test_large_pictures_are_measured_at_a_bounded_size(monkeypatch):
    large, area = picture(3, 80), picture(4, 80)[:, :1]
    whole = palette(large, area)
    monkeypatch.setattr("render.style.colour._MEASURED", 40)
    found, shrunk = palette(large, area), palette(resize(large, 40, 40), resize(area, 40, 40))
    assert torch.equal(found.tints, shrunk.tints)
    torch.testing.assert_close(found.mean, whole.mean, rtol=0, atol=0.01)
