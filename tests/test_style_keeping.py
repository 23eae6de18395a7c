"""Keeping the content's colours."""

import pytest
import torch

from render.style.colour import palette
from render.style.keeping import Keeping, desaturate, luma, match_histogram, take_chroma


def picture(seed, side=32, low=0.2, high=0.8):
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.rand(3, 3, generator=generator)
    mixing = mixing / mixing.sum(1, keepdim=True)
    noise = torch.rand(1, 3, side, side, generator=generator)
    return low + (high - low) * torch.einsum("ij, bjhw -> bihw", mixing, noise)


def chroma(pixels):
    return pixels - luma(pixels)


def test_luma_is_that_of_rec_709():
    primaries = torch.eye(3)[:, :, None, None]
    torch.testing.assert_close(luma(primaries).flatten(), torch.tensor([0.2126, 0.7152, 0.0722]))
    torch.testing.assert_close(luma(torch.ones(1, 3, 2, 2)), torch.ones(1, 1, 2, 2))


def test_a_desaturated_picture_is_grey_and_as_light_as_before():
    grey = desaturate(picture(0), 1.0)
    torch.testing.assert_close(luma(grey), luma(picture(0)))
    assert chroma(grey).abs().max() < 1e-6
    half = desaturate(picture(0), 0.5)
    torch.testing.assert_close(chroma(half), 0.5 * chroma(picture(0)))


def test_chroma_is_the_contents_and_light_is_the_paintings():
    painted, content = picture(0, low=0.4, high=0.6), picture(1, low=0.4, high=0.6)
    kept = take_chroma(painted, content, 1.0)
    torch.testing.assert_close(luma(kept), luma(painted))
    torch.testing.assert_close(chroma(kept), chroma(content))
    half = take_chroma(painted, content, 0.5)
    torch.testing.assert_close(chroma(half), 0.5 * (chroma(content) + chroma(painted)))
    torch.testing.assert_close(take_chroma(painted, content, 0.0), painted)


def test_colours_that_do_not_fit_are_weakened_and_the_light_stays():
    painted = picture(0, low=0.0, high=1.0).sub(0.5).mul(3).add(0.5).clamp(0, 1)
    content = torch.tensor([0.0, 0.0, 1.0])[None, :, None, None].expand_as(painted)
    kept = take_chroma(painted, content, 1.0)
    assert kept.min() >= 0
    assert kept.max() <= 1
    torch.testing.assert_close(luma(kept), luma(painted), atol=1e-5, rtol=0)
    new, wanted = chroma(kept), chroma(content)
    cosine = torch.nn.functional.cosine_similarity(new, wanted, dim=1)
    assert cosine[new.norm(dim=1) > 0.01].min() > 0.999


def test_a_matched_histogram_is_the_references():
    found = match_histogram(picture(0), picture(1))
    for channel in range(3):
        torch.testing.assert_close(
            found[0, channel].flatten().sort().values,
            picture(1)[0, channel].flatten().sort().values,
            atol=2e-3,
            rtol=0,
        )


def test_matching_histograms_keeps_the_order_of_light_and_of_equal_values():
    steps = torch.linspace(0, 1, 8).repeat_interleave(8).view(1, 1, 8, 8).expand(1, 3, 8, 8)
    found = match_histogram(steps, picture(1))
    rows = found[0, 0]
    assert (rows.std(1) < 1e-6).all(), "equal values stay equal"
    assert (rows.mean(1).diff() > 0).all()


def test_a_picture_with_its_own_histogram_stays_as_it_is():
    torch.testing.assert_close(match_histogram(picture(0), picture(0)), picture(0))


def test_histograms_are_counted_inside_the_area_alone():
    area = torch.zeros(1, 1, 32, 32)
    area[..., :16, :] = 1
    reference = picture(1)
    spoilt = torch.where(area > 0, reference, 0.0)
    found = match_histogram(picture(0), spoilt, area)[..., :16, :]
    alone = match_histogram(picture(0)[..., :16, :], reference[..., :16, :])
    torch.testing.assert_close(found, alone, atol=1e-5, rtol=0)


def test_pictures_of_a_batch_are_kept_each_by_itself():
    painted, content = torch.cat((picture(0), picture(2))), torch.cat((picture(1), picture(3)))
    for mode in ("luminance", "histogram"):
        keeping = Keeping(mode)
        both = keeping.after(painted, content, None)
        for n in range(2):
            one = keeping.after(painted[n : n + 1], content[n : n + 1], None)
            torch.testing.assert_close(both[n : n + 1], one)


@pytest.mark.parametrize("mode", ["none", "luminance", "palette", "histogram"])
def test_with_no_strength_nothing_is_kept(mode):
    keeping = Keeping(mode, 0.0)
    assert not keeping.recolours_styles
    own = palette(picture(1))
    assert torch.equal(keeping.before(picture(0)), picture(0))
    assert torch.equal(keeping.start(picture(0), own), picture(0))
    assert torch.equal(keeping.after(picture(0), picture(1), None), picture(0))


def test_styles_take_on_the_palette_of_the_content():
    target = palette(picture(1))
    found = palette(Keeping("palette").style(picture(0), target))
    torch.testing.assert_close(found.mean, target.mean, atol=1e-3, rtol=0)
    torch.testing.assert_close(found.covariance, target.covariance, atol=1e-3, rtol=0)
    half = palette(Keeping("palette", 0.5).style(picture(0), target))
    middle = (palette(picture(0)).mean + target.mean) / 2
    torch.testing.assert_close(half.mean, middle, atol=1e-3, rtol=0)


def test_the_part_of_a_style_that_counts_takes_on_the_palette():
    target, area = palette(picture(1)), torch.zeros_like(picture(0)[:, :1])
    area[..., : area.shape[-1] // 2] = 1
    moved = Keeping("palette").style(picture(0), target, area)
    found = palette(moved, area)
    torch.testing.assert_close(found.mean, target.mean, atol=5e-3, rtol=0)
    torch.testing.assert_close(found.covariance, target.covariance, atol=5e-3, rtol=0)


def test_for_luminance_alone_styles_are_grey_and_as_light_and_varied_as_the_content():
    keeping = Keeping("luminance")
    content = keeping.before(picture(1))
    style = keeping.style(picture(0), palette(content))
    assert chroma(style).abs().max() < 0.01
    assert luma(style).mean().item() == pytest.approx(luma(content).mean().item(), abs=1e-3)
    assert luma(style).std().item() == pytest.approx(luma(content).std().item(), rel=0.03)
