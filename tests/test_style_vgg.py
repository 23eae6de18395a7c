"""The network: the right features, at the right places."""

import pytest
import torch
import torchvision

from render.errors import EngineError
from render.spec.layers import layer_names
from render.style.vgg import Convolutions, Vgg, convolution_names, convolution_shapes, smallest_side

CPU = torch.device("cpu")


def random_convolutions(arch):
    generator = torch.Generator().manual_seed(0)
    shapes = convolution_shapes(arch)
    kernels = [
        torch.randn(*shape, 3, 3, generator=generator) * (2 / (9 * shape[1])) ** 0.5
        for shape in shapes
    ]
    biases = [torch.randn(shape[0], generator=generator) * 0.1 for shape in shapes]
    return Convolutions(arch, kernels, biases)


def torchvision_features(arch, convolutions, pixels):
    """All features as torchvision's own module computes them."""
    model = getattr(torchvision.models, arch)().features
    convs = [module for module in model if isinstance(module, torch.nn.Conv2d)]
    for conv, kernel, bias in zip(convs, convolutions.kernels, convolutions.biases, strict=True):
        conv.weight.data, conv.bias.data = kernel, bias
    convs[0].padding_mode = "replicate"
    convs[0]._reversed_padding_repeated_twice = [1, 1, 1, 1]
    names = iter(layer_names(arch))
    features = {}
    for module in model:
        pixels = module(pixels)
        if isinstance(module, torch.nn.ReLU):
            module.inplace = False
        if not isinstance(module, torch.nn.MaxPool2d):
            features[next(names)] = pixels.detach().clone()
    return features


@pytest.mark.parametrize("arch", ["vgg16", "vgg19"])
def test_features_are_those_of_torchvisions_network(arch):
    convolutions = random_convolutions(arch)
    pixels = torch.rand(2, 3, 33, 47, generator=torch.Generator().manual_seed(1))
    vgg = Vgg(convolutions, layer_names(arch), pooling="max", device=CPU)
    expected = torchvision_features(arch, convolutions, pixels)
    found = vgg.features(pixels)
    assert found.keys() == expected.keys()
    for name, features in found.items():
        torch.testing.assert_close(features, expected[name], rtol=1e-4, atol=1e-4)


def test_layers_before_and_after_a_relu_can_be_asked_for_together():
    vgg = Vgg(
        random_convolutions("vgg16"), ["conv1_1", "relu1_1", "conv2_2"], pooling="max", device=CPU
    )
    features = vgg.features(torch.rand(1, 3, 32, 32))
    assert (features["conv1_1"] < 0).any()
    assert torch.equal(features["conv1_1"].relu(), features["relu1_1"])


def test_nothing_below_the_deepest_layer_is_computed():
    convolutions = random_convolutions("vgg19")
    shallow = Convolutions("vgg19", convolutions.kernels[:3], convolutions.biases[:3])
    vgg = Vgg(shallow, ["relu1_1", "conv2_1"], pooling="average", device=CPU)
    assert vgg.features(torch.rand(1, 3, 32, 32)).keys() == {"relu1_1", "conv2_1"}


def test_the_first_layer_sees_no_edge_in_a_flat_picture():
    vgg = Vgg(random_convolutions("vgg16"), ["relu1_1"], pooling="average", device=CPU)
    features = vgg.features(torch.full((1, 3, 32, 32), 0.5))["relu1_1"]
    assert features.std((2, 3)).max() < 1e-5


def test_the_deepest_layer_has_two_features_a_side_at_the_smallest_size():
    side = smallest_side(["relu5_1"])
    vgg = Vgg(random_convolutions("vgg16"), ["relu5_1"], pooling="max", device=CPU)
    assert vgg.features(torch.rand(1, 3, side, side))["relu5_1"].shape[2:] == (2, 2)
    with pytest.raises(EngineError, match=r"31×40 is too small.*32 pixels"):
        vgg.features(torch.rand(1, 3, 40, 31))


def test_an_unknown_layer_is_refused_by_name():
    with pytest.raises(EngineError, match="vgg16 has no layer relu3_4"):
        Vgg(random_convolutions("vgg16"), ["relu3_4"], pooling="max", device=CPU)


def test_the_names_of_convolutions_are_in_the_order_of_the_network():
    assert convolution_names("vgg16")[:3] == ("conv1_1", "conv1_2", "conv2_1")
    assert len(convolution_names("vgg19")) == 16


def test_l2_pooling_is_the_root_of_the_mean_square():
    convolutions = random_convolutions("vgg16")
    pixels = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    below = Vgg(convolutions, ["relu1_2"], pooling="max", device=CPU).features(pixels)["relu1_2"]
    pooled = (below.square().unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5)) + 1e-8).sqrt()
    expected = torch.nn.functional.conv2d(
        pooled, convolutions.kernels[2], convolutions.biases[2], padding=1
    )
    found = Vgg(convolutions, ["conv2_1"], pooling="l2", device=CPU).features(pixels)["conv2_1"]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_the_slope_of_l2_pooling_is_finite_where_all_features_are_nought():
    dead = random_convolutions("vgg16")
    dead = Convolutions("vgg16", dead.kernels, [bias - 100 for bias in dead.biases])
    pixels = torch.rand(1, 3, 16, 16).requires_grad_()
    features = Vgg(dead, ["conv2_1"], pooling="l2", device=CPU).features(pixels)
    features["conv2_1"].sum().backward()
    assert torch.isfinite(pixels.grad).all()


def test_an_exact_border_is_the_pixel_that_is_nought_to_the_network():
    convolutions = random_convolutions("vgg16")
    convolutions = Convolutions("vgg16", convolutions.kernels, convolutions.biases, (0.4, 0.5, 0.6))
    pixels = torch.rand(1, 3, 8, 10)
    exact = Vgg(convolutions, ["conv1_1"], pooling="max", device=CPU, border="zeros")
    framed = torch.tensor([0.4, 0.5, 0.6])[:, None, None].expand(1, 3, 10, 12).clone()
    framed[..., 1:-1, 1:-1] = pixels
    expected = torch.nn.functional.conv2d(framed, convolutions.kernels[0], convolutions.biases[0])
    torch.testing.assert_close(exact.features(pixels)["conv1_1"], expected, rtol=1e-4, atol=1e-5)


def test_a_relu_put_off_until_after_the_pooling_changes_nothing():
    """It is, where nobody asks for the features between: the largest of four stays the largest."""
    convolutions = random_convolutions("vgg16")
    pixels = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    seen = Vgg(convolutions, ["relu1_2", "relu2_1"], pooling="max", device=CPU)
    unseen = Vgg(convolutions, ["relu2_1"], pooling="max", device=CPU)
    found = []
    for vgg in (seen, unseen):
        start = pixels.clone().requires_grad_()
        features = vgg.features(start)["relu2_1"]
        found.append((features, *torch.autograd.grad(features.square().sum(), start)))
    assert all(torch.equal(*each) for each in zip(*found, strict=True))


def test_half_precision_has_the_features_and_slopes_of_full_whatever_layers_are_chosen():
    """Its pooling compares bit patterns, which takes features that are not negative."""
    pixels = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(3))
    for layers in ({"conv1_2", "conv2_2", "relu3_1"}, {"relu1_2", "relu3_1"}, {"relu3_1"}):
        features, slopes = [], []
        for precision in (torch.float32, torch.bfloat16):
            vgg = Vgg(
                random_convolutions("vgg16"),
                layers,
                pooling="max",
                device=CPU,
                precision=precision,
            )
            points = pixels.clone().requires_grad_()
            found = vgg.features(points)
            (slope,) = torch.autograd.grad(found["relu3_1"].float().square().sum(), points)
            features.append(torch.cat([found[name].detach().float().flatten() for name in layers]))
            slopes.append(slope.flatten())
        assert torch.cosine_similarity(*features, dim=0) > 0.999
        assert torch.cosine_similarity(*slopes, dim=0) > 0.97
