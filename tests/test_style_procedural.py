"""Weights made on the spot."""

import pytest
import torch

from render.style.procedural import calibration_picture, procedural_convolutions
from render.style.vgg import Vgg, convolution_names, convolution_shapes


@pytest.fixture(scope="module")
def convolutions():
    return procedural_convolutions("vgg16")


def test_they_have_the_shapes_of_the_architecture(convolutions):
    assert len(convolutions.kernels) == len(convolution_names("vgg16"))
    shapes = [tuple(kernel.shape) for kernel in convolutions.kernels]
    assert shapes == [(*shape, 3, 3) for shape in convolution_shapes("vgg16")]


def test_the_same_seed_gives_the_same_weights_and_another_does_not(convolutions):
    again = procedural_convolutions("vgg16")
    other = procedural_convolutions("vgg16", seed=1)
    assert all(map(torch.equal, convolutions.kernels, again.kernels))
    assert all(map(torch.equal, convolutions.biases, again.biases))
    assert not torch.equal(convolutions.kernels[0], other.kernels[0])


def test_the_first_layers_are_the_same_however_many_are_made(convolutions):
    few = procedural_convolutions("vgg16", count=3)
    assert len(few.kernels) == 3
    assert all(map(torch.equal, few.kernels, convolutions.kernels))


def test_weights_do_not_depend_on_the_number_of_threads(convolutions):
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if threads > 1 else 2)
    try:
        again = procedural_convolutions("vgg16")
    finally:
        torch.set_num_threads(threads)
    assert all(map(torch.equal, convolutions.kernels, again.kernels))


def test_every_channel_is_centred_and_scaled_over_the_calibration_picture(convolutions):
    picture = calibration_picture(torch.Generator().manual_seed(0))[None]
    layers = [name for name in convolution_names("vgg16") if name < "conv5_2"]
    vgg = Vgg(
        convolutions,
        layers,
        pooling="average",
        device=torch.device("cpu"),
        precision=torch.float64,
    )
    for name, features in vgg.features(picture).items():
        mean, std = features.mean((0, 2, 3)), features.std((0, 2, 3))
        assert mean.abs().max() < 0.05, name
        assert (std - 1).abs().max() < 0.05, name
