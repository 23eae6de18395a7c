"""The objective: what it is worth at known points, its gradient, and its balance."""

from dataclasses import replace

import pytest
import torch
from engine import CPU, asset
from torch.nn import functional

from render.style.objective import Objective, Pull, Region, Weights
from render.style.procedural import procedural_convolutions
from render.style.pyramid import resize
from render.style.statistics import STYLE_LOSSES, make_target, moments
from render.style.targets import StylePicture, Styles
from render.style.vgg import Vgg

WEIGHTS = Weights(
    style_layers={"relu1_1": 0.5, "relu2_1": 1.5},
    style=10.0,
    content_layers={"relu2_2": 1.0},
    content=2.0,
    tv=0.5,
    temporal=20.0,
)


@pytest.fixture(scope="module")
def vgg():
    return Vgg(
        procedural_convolutions("vgg16"),
        WEIGHTS.layers(),
        pooling="average",
        device=CPU,
        precision=torch.float64,
    )


def picture(side, seed=0):
    """Soft random blobs, the same at every size."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 6, 6, generator=generator, dtype=torch.float64)
    return resize(coarse, side, side)


def style_target(vgg, side=48, loss="gram"):
    features = vgg.features(picture(side, seed=1))
    return [
        Region(
            {
                name: make_target(moments(features[name], loss), loss)
                for name in WEIGHTS.style_layers
            }
        )
    ]


def pull_for(content):
    return Pull(picture(content.shape[-1], seed=2), torch.ones_like(content[:, :1]))


def test_at_the_content_the_style_term_is_its_weight_and_the_content_term_nothing(vgg):
    content = picture(48)
    terms = Objective(vgg, WEIGHTS, style_target(vgg), content).terms(content)
    assert terms["content"].item() == 0
    assert terms["style"].item() == pytest.approx(WEIGHTS.style)
    assert "temporal" not in terms


def test_at_the_style_picture_itself_the_style_term_is_nothing(vgg):
    objective = Objective(vgg, WEIGHTS, style_target(vgg), picture(48))
    assert objective.terms(picture(48, seed=1))["style"].item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("loss", STYLE_LOSSES)
@pytest.mark.parametrize("given", ["whole", "in parts"])
def test_the_gradient_agrees_with_finite_differences(vgg, loss, given):
    """In parts: two regions that fade into each other, a clear edge, and a pull that grows."""
    content = picture(32)
    style, pull, opaque = style_target(vgg, loss=loss), pull_for(content), None
    if given == "in parts":
        across = torch.linspace(0, 1, 32, dtype=torch.float64).expand(1, 1, 32, 32)
        style = [replace(style[0], area=across), replace(style[0], area=1 - across, weight=2.0)]
        pull = replace(pull, mask=across.mT)
        opaque = (across > 0.1).double()
    objective = Objective(vgg, WEIGHTS, style, content, pull, opaque)
    x = picture(32, seed=3).flatten(1)
    _, gradient = objective(x)
    generator = torch.Generator().manual_seed(4)
    for _ in range(5):
        direction = torch.randn(x.shape, generator=generator, dtype=torch.float64)
        step = 1e-6 * direction
        difference = (objective(x + step)[0] - objective(x - step)[0]) / 2e-6
        torch.testing.assert_close(difference, (gradient * direction).sum(1), rtol=1e-5, atol=1e-9)


def test_the_temporal_term_pulls_towards_the_warped_picture(vgg):
    content = picture(32)
    pull = pull_for(content)
    with_pull = Objective(vgg, WEIGHTS, style_target(vgg), content, pull)(content.flatten(1))[1]
    without = Objective(vgg, WEIGHTS, style_target(vgg), content)(content.flatten(1))[1]
    expected = 2 * WEIGHTS.temporal * (content - pull.target) / content[0].numel()
    torch.testing.assert_close(with_pull - without, expected.flatten(1), rtol=1e-6, atol=1e-12)


def test_nothing_pulls_where_the_mask_is_nought(vgg):
    content = picture(32)
    pull = Pull(pull_for(content).target, torch.zeros_like(content[:, :1]))
    terms = Objective(vgg, WEIGHTS, style_target(vgg), content, pull).terms(content)
    assert terms["temporal"].item() == 0


def test_clear_surroundings_do_not_change_how_smoothly_the_rest_is_painted_or_how_hard_it_is_pulled(
    vgg,
):
    """The gradient of both terms, with the picture in the middle of a clear one nine times as large."""

    def gradient(content, pull, opaque):
        parts = (
            Objective(vgg, weights, style_target(vgg), content, pull, opaque)(content.flatten(1))[1]
            for weights in (WEIGHTS, replace(WEIGHTS, tv=0.0, temporal=0.0))
        )
        return (next(parts) - next(parts)).view(content.shape)

    def framed(pixels):
        return functional.pad(pixels, (32,) * 4)

    content = picture(32)
    pull, opaque = pull_for(content), torch.ones_like(content[:, :1])
    alone = gradient(content, pull, opaque)
    surrounded = gradient(
        framed(content), Pull(framed(pull.target), framed(pull.mask)), framed(opaque)
    )
    off = (surrounded[..., 32:64, 32:64] - alone)[..., 1:-1, 1:-1]
    assert off.norm() < 0.05 * alone.norm()  # of pairs of neighbours a few more count


def test_samples_of_a_batch_do_not_touch_each_other(vgg):
    contents = torch.cat([picture(32, seed) for seed in range(3)])
    points = torch.cat([picture(32, seed) for seed in range(5, 8)]).flatten(1)
    losses, gradients = Objective(vgg, WEIGHTS, style_target(vgg), contents)(points)
    for n in range(3):
        alone = Objective(vgg, WEIGHTS, style_target(vgg), contents[n : n + 1])
        loss, gradient = alone(points[n : n + 1])
        torch.testing.assert_close(losses[n : n + 1], loss, rtol=1e-10, atol=0)
        torch.testing.assert_close(gradients[n : n + 1], gradient, rtol=1e-8, atol=1e-12)


def test_weights_of_layers_are_relative_to_each_other(vgg):
    doubled = Weights(
        {name: 2 * weight for name, weight in WEIGHTS.style_layers.items()},
        WEIGHTS.style,
        WEIGHTS.content_layers,
        WEIGHTS.content,
    )
    content, x = picture(32), picture(32, seed=3)
    plain = Objective(vgg, WEIGHTS, style_target(vgg), content).terms(x)["style"]
    torch.testing.assert_close(
        Objective(vgg, doubled, style_target(vgg), content).terms(x)["style"], plain
    )


@pytest.mark.parametrize("loss", ["gram", "covariance", "wasserstein"])
def test_the_balance_is_the_same_at_a_quarter_of_the_size_with_real_pictures_and_deeper_layers(
    loss,
):
    """Photographs have detail at every size, which soft blobs have not."""
    weights = Weights({"relu1_1": 0.2, "relu2_1": 0.2, "relu3_1": 0.2}, 10.0, {"relu3_2": 1.0}, 1.0)
    vgg = Vgg(procedural_convolutions("vgg16", 6), weights.layers(), pooling="average", device=CPU)
    content, style = asset("photos/lake.jpg"), asset("swirls.jpg")
    styles = Styles(vgg, weights.style_layers, loss, [StylePicture(style)])

    def balance(side):
        height = round(side * content.shape[2] / content.shape[3])
        small = resize(content, side, height)
        objective = Objective(vgg, weights, [Region(styles.targets(side)[0])], small)
        terms = objective.terms(0.6 * small + 0.4 * resize(style, side, height))
        return (terms["content"] / terms["style"]).item()

    assert balance(640) == pytest.approx(balance(160), rel=0.25)
