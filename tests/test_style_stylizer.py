"""The engine as a whole, on small pictures."""

import dataclasses

import pytest
import torch
from engine import CPU, WEIGHTS, asset, network, picture, styles_of, stylizer

from render.errors import EngineError
from render.style.colour import palette
from render.style.keeping import Keeping, luma
from render.style.lbfgs import Searches
from render.style.objective import Objective, Pull, Region
from render.style.procedural import procedural_convolutions
from render.style.pyramid import resize
from render.style.statistics import moments
from render.style.targets import StylePicture, Styles
from render.style.vgg import Vgg


@pytest.fixture
def vgg():
    return network("float32")


def test_a_picture_keeps_its_size_and_its_range(vgg):
    found = stylizer(vgg).stylize(picture(61, 47, 0))
    assert found.pixels.shape == (1, 3, 47, 61)
    assert found.pixels.min() >= 0
    assert found.pixels.max() <= 1


def test_the_same_call_gives_the_same_bits(vgg):
    content = picture(64, 48, 0)
    first, second = (stylizer(vgg).stylize(content).pixels for _ in range(2))
    assert torch.equal(first, second)


def test_a_kept_search_changes_no_bit_of_the_next_picture(vgg):
    """On a GPU searches are kept with their recorded work; what they are given must all be renewed."""
    kept, fresh = stylizer(vgg), stylizer(vgg)
    kept._searches = Searches(1 << 30)
    for seed in (1, 2, 3):
        content, result = picture(64, 48, seed), picture(64, 48, seed + 10)
        pull = Pull(result, torch.full((1, 1, 48, 64), seed / 3), content[:, :1] > 0.9)
        start, pairs = content, None
        for _ in range(2):
            expected = fresh.stylize(content, start, pull, pairs=pairs, evaluations=9)
            found = kept.stylize(content, start, pull, pairs=pairs, evaluations=9)
            for own, other in ((found.pixels, expected.pixels), (found.pairs, expected.pairs)):
                assert torch.equal(own, other)
            start, pairs = expected.pixels, expected.pairs
    assert len(kept._searches) == 2
    assert torch.equal(kept.stylize(content).pixels, fresh.stylize(content).pixels)
    kept.forget()
    assert len(kept._searches) == 0


def test_the_coarse_scale_is_painted_first(vgg):
    found = stylizer(vgg, evaluations=30).stylize(picture(260, 160, 0))
    assert found.evaluations == 30
    rises = (found.trace.diff(dim=0) > 0).nonzero()[:, 0].tolist()
    assert rises == [18]  # where the fine scale takes over, and nowhere else


def test_a_warm_start_spends_the_small_budget_at_full_size(vgg):
    content = picture(200, 120, 0)
    assert stylizer(vgg).stylize(content, content).evaluations == 5


def test_the_temporal_pull_brings_the_result_nearer_to_its_target(vgg):
    content, target = picture(64, 48, 0), picture(64, 48, 1)
    pull = Pull(target, torch.ones(1, 1, 48, 64))
    pulled = stylizer(vgg, warm_evaluations=20).stylize(content, content, pull).pixels
    free = stylizer(vgg, warm_evaluations=20).stylize(content, content).pixels
    assert (pulled - target).square().mean() < 0.9 * (free - target).square().mean()


def test_the_edges_are_as_calm_as_the_middle(vgg):
    found = stylizer(vgg, evaluations=60).stylize(picture(64, 48, 0)).pixels[0]
    rough = found.diff(dim=2).square().mean(0)
    edge = torch.cat((rough[:, :2], rough[:, -2:]), 1).mean()
    assert edge < 2 * rough[:, 8:-8].mean()


def test_what_a_picture_lacks_in_style_is_not_painted_beyond_its_edges(vgg):
    """The middle by itself comes nearer to the style; with a margin of 8 pixels by 0.26 only."""

    def distance(painter, pixels):
        (target,) = painter.styles.targets(64)
        features = vgg.features(pixels)
        near = {"relu1_1": 8, "relu2_1": 4}  # 8 pixels
        middles = {name: features[name][..., n:-n, n:-n] for name, n in near.items()}
        own = [target[name].distance(moments(middle, "gram")) for name, middle in middles.items()]
        return torch.stack(own)

    left = []
    for seed in range(3):
        content, painter = picture(64, 48, seed), stylizer(vgg, evaluations=60)
        found = painter.stylize(content).pixels
        left.append(distance(painter, found) / distance(painter, content))
    assert torch.stack(left).mean() < 0.53


@pytest.mark.slow
def test_one_job_paints_as_strongly_at_192_and_at_768_pixels():
    """The style is all there, and the content gives way to it as far, or weights would say nothing."""
    weights = dataclasses.replace(WEIGHTS, content_layers={"relu2_1": 1.0}, tv=1.0)
    vgg = Vgg(procedural_convolutions("vgg16", 3), weights.layers(), pooling="average", device=CPU)
    styles = Styles(vgg, weights.style_layers, "gram", [StylePicture(asset("swirls.jpg"))])
    painter = stylizer(vgg, styles, weights, {"repaint": True}, evaluations=40)
    small, large = (
        painter.stylize(resize(asset("photos/lake.jpg"), side, side * 3 // 4)).terms
        for side in (192, 768)
    )
    assert max(small["style"], large["style"]) < 0.01 * WEIGHTS.style
    assert large["content"].item() == pytest.approx(small["content"].item(), rel=0.25)


@pytest.mark.parametrize("height", [1, 2])
def test_a_picture_too_small_for_the_layers_is_refused_by_their_names(vgg, height):
    """However few they are: no mirror at its edges reaches further than the picture."""
    needed = r"64×{} is too small for style\.layers and content\.layers, which need 3 pixels a side"
    with pytest.raises(EngineError, match=needed.format(height)):
        stylizer(vgg).stylize(picture(64, height, 0))
    assert stylizer(vgg).stylize(picture(64, 3, 0)).pixels.shape == (1, 3, 3, 64)


def test_numbers_that_are_not_finite_are_refused_by_name(vgg):
    good, bad = picture(64, 48, 0), picture(64, 48, 0)
    bad[0, 0, 3, 3] = torch.nan
    with pytest.raises(EngineError, match=r"content: .* not finite"):
        stylizer(vgg).stylize(bad)
    with pytest.raises(EngineError, match=r"start: .* not finite"):
        stylizer(vgg).stylize(good, bad)


def test_a_picture_takes_the_same_path_alone_and_in_a_batch_of_three(vgg):
    """Nothing couples them but the rounding of a batch's convolutions, which grows from step to step."""
    contents = torch.cat([picture(64, 48, seed) for seed in range(3)])
    together = stylizer(vgg, evaluations=15).stylize(contents)
    for n in range(3):
        alone = stylizer(vgg, evaluations=15).stylize(contents[n : n + 1])
        torch.testing.assert_close(together.trace[:, n : n + 1], alone.trace, rtol=1e-3, atol=0)
        torch.testing.assert_close(together.pixels[n : n + 1], alone.pixels, rtol=0, atol=1e-2)


@pytest.mark.parametrize("start", ["noise", "style"])
def test_noise_depends_on_the_seed_and_on_nothing_else(vgg, start):
    painter = stylizer(vgg, settings={"start": start}, evaluations=2)
    contents = picture(64, 48, 0).expand(3, -1, -1, -1)
    found = painter.stylize(contents, seeds=[5, 6, 5]).pixels
    assert torch.equal(found[0], found[2])
    assert (found[0] - found[1]).abs().mean() > 0.02
    alone = painter.stylize(contents[:1], seeds=[6]).pixels
    torch.testing.assert_close(alone[0], found[1], atol=1e-3, rtol=0)


def test_noise_in_the_styles_colours_has_their_palette(vgg):
    painter = stylizer(vgg, settings={"start": "style"}, evaluations=1)
    found = palette(painter.stylize(picture(64, 48, 0)).pixels)
    expected = styles_of(vgg).palettes()[0]
    torch.testing.assert_close(found.mean, expected.mean, atol=0.02, rtol=0)
    torch.testing.assert_close(found.covariance, expected.covariance, atol=0.01, rtol=0)


def test_a_given_picture_is_where_it_starts(vgg):
    given = picture(128, 96, 7)
    painter = stylizer(vgg, settings={"start": given}, evaluations=1)
    found = painter.stylize(picture(64, 48, 0)).pixels
    torch.testing.assert_close(found, resize(given, 64, 48))


def test_from_noise_the_content_comes_out_all_the_same(vgg):
    content = picture(64, 48, 0)
    painter = stylizer(vgg, settings={"start": "style"}, evaluations=60)
    found = painter.stylize(content)
    noise = stylizer(vgg, settings={"start": "style"}, evaluations=1).stylize(content)
    assert found.terms["content"] < 0.7 * noise.terms["content"]
    assert found.trace[-1] < 0.1 * noise.trace[0]


def test_scales_and_their_budgets_can_be_given(vgg):
    content = picture(200, 120, 0)
    found = stylizer(vgg, evaluations=30, shares=(1, 2, 3)).stylize(content)
    rises = (found.trace.diff(dim=0) > 0).nonzero()[:, 0].tolist()
    assert rises == [4, 14]
    assert stylizer(vgg, evaluations=12, scales=1).stylize(content).evaluations == 12


@pytest.mark.parametrize("loss", ["covariance", "wasserstein"])
def test_other_style_losses_are_brought_down_too(vgg, loss):
    painter = stylizer(vgg, styles_of(vgg, loss=loss), evaluations=40)
    trace = painter.stylize(picture(64, 48, 0)).trace
    assert trace[0].item() == pytest.approx(WEIGHTS.style, rel=1e-3)
    assert trace[-1] < 0.3 * trace[0]


def saturation(pixels):
    return (pixels - luma(pixels)).abs().mean()


def test_keeping_the_luminance_alone_leaves_the_hues_of_the_content(vgg):
    content = picture(64, 48, 0)
    painter = stylizer(vgg, settings={"keeping": Keeping("luminance")}, evaluations=30)
    found = painter.stylize(content).pixels
    own, new = content - luma(content), found - luma(found)
    cosine = torch.nn.functional.cosine_similarity(own, new, dim=1)
    assert cosine[new.norm(dim=1) > 0.02].min() > 0.99
    assert (luma(found) - luma(content)).abs().mean() > 0.02


@pytest.mark.parametrize("mode", ["palette", "histogram"])
def test_keeping_the_palette_or_the_histogram_brings_the_contents_colours(vgg, mode):
    content = picture(64, 48, 0)
    own = palette(content)

    def off(keeping):
        painter = stylizer(vgg, settings={"keeping": keeping}, evaluations=30)
        found = palette(painter.stylize(content).pixels)
        return (found.mean - own.mean).abs().sum() + (found.covariance - own.covariance).abs().sum()

    full, half, none = (off(Keeping(mode, strength)) for strength in (1.0, 0.5, 0.0))
    assert full < 0.5 * none
    assert full < half < none


@pytest.mark.parametrize("mode", ["luminance", "palette", "histogram"])
def test_a_kept_picture_painted_on_stays_near_itself(vgg, mode):
    """The next frame of a video starts from a finished picture, with the content's colours in it."""
    content = picture(64, 48, 0)
    settings = {"keeping": Keeping(mode)}
    first = stylizer(vgg, settings=settings, evaluations=60).stylize(content).pixels
    again = stylizer(vgg, settings=settings, warm_evaluations=10).stylize(content, first).pixels
    assert (again - first).abs().mean() < 0.3 * (first - content).abs().mean()


def test_the_form_of_neural_style_paints_to_the_very_edge_without_a_margin(vgg):
    exact = dataclasses.replace(
        WEIGHTS, form="neural-style", style=1e4, temporal=0.0, content=5.0, tv=0.0
    )
    content = picture(64, 48, 0)
    found = stylizer(vgg, weights=exact, settings={"repaint": True}, evaluations=30).stylize(
        content
    )
    objective = Objective(vgg, exact, [Region(styles_of(vgg).targets(64)[0])], content)
    torch.testing.assert_close(found.trace[0], objective.loss(content))
    torch.testing.assert_close(found.trace[-1], objective.loss(found.pixels))
    assert found.trace[-1] < found.trace[0]
