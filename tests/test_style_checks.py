"""What the engine is given and cannot use: refused by the setting that it comes from."""

import dataclasses

import pytest
import torch
from engine import CPU, WEIGHTS, network, picture, stylizer

from render.errors import EngineError
from render.style.objective import Pull
from render.style.procedural import procedural_convolutions
from render.style.targets import Binding, StylePicture, Styles
from render.style.vgg import Vgg

CONTENT = picture(64, 48, 0)
WILD = torch.full_like(CONTENT, torch.inf)
SMALL = torch.ones(1, 1, 10, 20)


@pytest.fixture(scope="module")
def vgg():
    return network("float32")


NOTHING = {"style": 0.0, "content": 0.0, "tv": 0.0}


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (NOTHING, r"style\.weight, content\.weight, optimize\.tv_weight: all of them are 0"),
        ({"style_layers": {}, "content_layers": {"relu1_1": 0.0}}, r"style\.layers.*: no layer"),
        ({"style_layers": {"relu4_1": 1.0}}, r"style\.layers.*: .* without relu4_1"),
    ],
    ids=["all of them 0", "no layer", "a layer that the network lacks"],
)
def test_weights(vgg, weights, said):
    with pytest.raises(EngineError, match=said):
        stylizer(vgg, weights=dataclasses.replace(WEIGHTS, **weights))


def test_one_weight_is_enough(vgg):
    for name in NOTHING:
        alone = dataclasses.replace(WEIGHTS, **{**NOTHING, name: 1.0})
        found = stylizer(vgg, weights=alone, evaluations=2).stylize(CONTENT)
        assert torch.isfinite(found.trace).all()


def test_a_network_without_layers():
    with pytest.raises(EngineError, match="no layer was asked for"):
        Vgg(procedural_convolutions("vgg16", 1), [], pooling="average", device=CPU)


def test_a_start_that_is_not_finite(vgg):
    with pytest.raises(EngineError, match=r"optimize\.start: .*not finite"):
        stylizer(vgg, settings={"start": WILD})


def test_a_start_or_a_pull_of_another_shape(vgg):
    painter = stylizer(vgg)
    with pytest.raises(EngineError, match=r"start: 1×3×24×32; it must be 1×3×48×64"):
        painter.stylize(CONTENT, picture(32, 24, 0))
    with pytest.raises(EngineError, match=r"pull: 1×3×24×32"):
        painter.stylize(CONTENT, CONTENT, Pull(picture(32, 24, 0), torch.ones(1, 1, 48, 64)))
    with pytest.raises(EngineError, match=r"pull's mask: 1×1×10×20; it must be 1×1×48×64"):
        painter.stylize(CONTENT, CONTENT, Pull(CONTENT, SMALL))


def test_style_pictures_and_their_masks(vgg):
    def styles(picture, *bindings):
        return Styles(vgg, WEIGHTS.style_layers, "gram", [picture], bindings)

    with pytest.raises(EngineError, match=r"style\.images\.0: its alpha: a mask of 20×10 .*64×48"):
        styles(StylePicture(CONTENT, opaque=SMALL))
    with pytest.raises(EngineError, match=r"style\.regions\.0\.style: a mask of 20×10 .*64×48"):
        styles(StylePicture(CONTENT), Binding(0, SMALL))
    with pytest.raises(EngineError, match=r"style\.regions\.0\.style: the mask .*not finite"):
        styles(StylePicture(CONTENT), Binding(None, WILD[:, :1]))


def test_what_is_as_it_should_be_is_painted(vgg):
    """With all that is checked above, of three pictures at once."""
    solid, ones = torch.ones(1, 1, 60, 80), torch.ones(3, 1, 48, 64)
    contents = torch.cat([picture(64, 48, seed) for seed in range(3)])
    styled = StylePicture(picture(80, 60, 9), opaque=solid)
    bound = Styles(vgg, WEIGHTS.style_layers, "gram", [styled], [Binding(None, solid)])
    painter = stylizer(vgg, bound, settings={"start": picture(20, 10, 4)})
    cold = painter.stylize(contents, areas=[ones], opaque=ones).pixels
    warm = painter.stylize(contents, cold, Pull(cold, ones), areas=[ones], opaque=ones).pixels
    assert torch.isfinite(warm).all()
