"""`objective: neural-style` against jcjohnson's objective, written out by itself in float64."""

import pytest
import torch
from torch.nn import functional

from render.style.objective import Objective, Region, Weights
from render.style.targets import StylePicture, Styles
from render.style.vgg import Convolutions, Vgg, convolution_names, convolution_shapes

STYLE_LAYERS = [f"relu{block}_1" for block in range(1, 6)]
MEAN_BGR = (103.939, 116.779, 123.68)
WEIGHTS = Weights(
    dict.fromkeys(STYLE_LAYERS, 1.0), 100.0, {"relu4_2": 1.0}, 5.0, tv=1e-3, form="neural-style"
)


@pytest.fixture(scope="module")
def caffe():
    """A VGG-19 that wants BGR from 0 to 255 less its mean: kernels and biases as they are in a file."""
    generator = torch.Generator().manual_seed(0)
    names = convolution_names("vgg19")
    wanted = names[: names.index("conv5_1") + 1]
    kernels, biases = [], []
    for out_channels, in_channels in convolution_shapes("vgg19")[: len(wanted)]:
        shape = (out_channels, in_channels, 3, 3)
        kernel = torch.randn(shape, generator=generator, dtype=torch.float64)
        kernels.append(kernel * (2 / (9 * in_channels)) ** 0.5)
        biases.append(torch.randn(out_channels, generator=generator, dtype=torch.float64))
    return kernels, biases


@pytest.fixture(scope="module")
def vgg(caffe):
    """The same, folded for RGB from 0 to 1."""
    kernels, biases = (list(each) for each in caffe)
    mean = torch.tensor(MEAN_BGR, dtype=torch.float64)
    biases[0] = biases[0] - (kernels[0] * mean[:, None, None]).sum((1, 2, 3))
    kernels[0] = 255 * kernels[0].flip(1)
    zero = tuple(value / 255 for value in reversed(MEAN_BGR))
    return Vgg(
        Convolutions("vgg19", kernels, biases, zero, 255.0),
        WEIGHTS.layers(),
        pooling="max",
        device=torch.device("cpu"),
        precision=torch.float64,
        border="zeros",
    )


def picture(seed, width=40, height=36):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 6, 6, generator=generator, dtype=torch.float64)
    return functional.interpolate(coarse, (height, width), mode="bilinear")


def features(caffe, image):
    """Features of preprocessed pixels (3×H×W), zero padding everywhere, max pooling."""
    found, x = {}, image[None]
    for name, kernel, bias in zip(convolution_names("vgg19"), *caffe, strict=False):
        if name.endswith("_1") and name != "conv1_1":
            x = functional.max_pool2d(x, 2)
        x = functional.conv2d(x, kernel, bias, padding=1).relu()
        found["relu" + name[4:]] = x[0]
    return found


def preprocessed(pixels):
    return 255 * pixels[0].flip(0) - torch.tensor(MEAN_BGR, dtype=torch.float64)[:, None, None]


def gram_over_elements(feature):
    flat = feature.flatten(1)
    return flat @ flat.T / feature.numel()


def written_out(caffe, pixels, content, styles, shares):
    """Loss and gradient with respect to pixels from 0 to 1, term by term as in neural_style.lua."""
    image = preprocessed(pixels).requires_grad_()
    found = features(caffe, image)
    wanted = features(caffe, preprocessed(content))
    loss = 5.0 * ((found["relu4_2"] - wanted["relu4_2"]) ** 2).mean()
    of_styles = [features(caffe, preprocessed(style)) for style in styles]
    for layer in STYLE_LAYERS:
        target = sum(
            share * gram_over_elements(each[layer])
            for share, each in zip(shares, of_styles, strict=True)
        )
        loss = loss + 100.0 * ((gram_over_elements(found[layer]) - target) ** 2).mean()
    (gradient,) = torch.autograd.grad(loss, image)
    # The total variation there is a gradient without a value.
    x = image.detach()
    right, below = x[:, :-1, :-1] - x[:, :-1, 1:], x[:, :-1, :-1] - x[:, 1:, :-1]
    smooth = torch.zeros_like(x)
    smooth[:, :-1, :-1] += right + below
    smooth[:, :-1, 1:] -= right
    smooth[:, 1:, :-1] -= below
    gradient = gradient + 1e-3 * smooth
    loss = loss.detach() + 1e-3 * 0.5 * (right.square().sum() + below.square().sum())
    return loss, 255 * gradient.flip(0)


@pytest.mark.parametrize("shares", [(1.0,), (0.25, 0.75)])
def test_value_and_gradient_are_those_of_the_formula(caffe, vgg, shares):
    content, pixels = picture(0), picture(1)
    styles = [picture(seed, 48, 40) for seed in range(2, 2 + len(shares))]
    pictures = [StylePicture(style, share) for style, share in zip(styles, shares, strict=True)]
    targets = Styles(vgg, STYLE_LAYERS, "gram", pictures).targets(48)
    loss, gradient = Objective(vgg, WEIGHTS, [Region(targets[0])], content)(pixels.flatten(1))
    expected_loss, expected = written_out(caffe, pixels, content, styles, shares)
    torch.testing.assert_close(loss[0], expected_loss, rtol=1e-6, atol=0)
    scale = expected.abs().max()
    torch.testing.assert_close(
        gradient.view_as(expected) / scale, expected / scale, atol=1e-6, rtol=0
    )


def test_the_border_is_nought_to_the_network_as_in_training(caffe, vgg):
    pixels = picture(0)
    expected = features(caffe, preprocessed(pixels))
    for name, found in vgg.features(pixels).items():
        torch.testing.assert_close(found[0], expected[name], rtol=1e-5, atol=1e-4)
