"""What the engine is given and cannot use: refused by the setting that it comes from."""

import dataclasses

import pytest
import torch
from engine import CPU, WEIGHTS, network, picture, styles_of, stylizer

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


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"style": 0.0, "content": 0.0}, r"style\.weight, content\.weight: one of them"),
        ({"style_layers": {"relu4_1": 1.0}}, r"style\.layers.*: .* without relu4_1"),
    ],
)
def test_weights_of_which_nothing_comes(vgg, weights, said):
    with pytest.raises(EngineError, match=said):
        stylizer(vgg, weights=dataclasses.replace(WEIGHTS, **weights))


def test_a_network_without_layers():
    with pytest.raises(EngineError, match=r"style\.layers, content\.layers: no layer"):
        Vgg(procedural_convolutions("vgg16", 1), [], pooling="average", device=CPU)


def test_a_start_that_is_not_finite(vgg):
    with pytest.raises(EngineError, match=r"optimize\.start: .*not finite"):
        stylizer(vgg, settings={"start": WILD})


def test_a_start_or_a_pull_of_another_shape(vgg):
    painter = stylizer(vgg)
    with pytest.raises(EngineError, match=r"start: 1×3×24×32 for a content of 1×3×48×64"):
        painter.stylize(CONTENT, picture(32, 24, 0))
    with pytest.raises(EngineError, match=r"pull: 1×3×24×32"):
        painter.stylize(CONTENT, CONTENT, Pull(picture(32, 24, 0), torch.ones(1, 1, 48, 64)))
    with pytest.raises(EngineError, match=r"pull's mask: 1×1×10×20"):
        painter.stylize(CONTENT, CONTENT, Pull(CONTENT, SMALL))


def test_style_pictures_and_their_masks(vgg):
    def styles(picture, *bindings):
        return Styles(vgg, WEIGHTS.style_layers, "gram", [picture], bindings)

    with pytest.raises(EngineError, match=r"style\.images\.0: .*not finite"):
        styles(StylePicture(WILD))
    with pytest.raises(EngineError, match=r"style\.images\.0: its alpha: a mask of 20×10 .*64×48"):
        styles(StylePicture(CONTENT, opaque=SMALL))
    with pytest.raises(EngineError, match=r"style\.regions\.0\.style: a mask of 20×10 .*64×48"):
        styles(StylePicture(CONTENT), Binding(0, SMALL))
    with pytest.raises(EngineError, match=r"style\.regions\.0\.style: the mask .*not finite"):
        styles(StylePicture(CONTENT), Binding(None, WILD[:, :1]))


def test_what_is_as_it_should_be_is_painted(vgg):
    """With all that is checked above."""
    bound = styles_of(vgg, bindings=(Binding(0, torch.ones(1, 1, 60, 80)),))
    ones = torch.ones(1, 1, 48, 64)
    found = stylizer(vgg, bound).stylize(
        CONTENT, CONTENT, Pull(CONTENT, ones), areas=[ones], opaque=ones
    )
    assert torch.isfinite(found.pixels).all()
