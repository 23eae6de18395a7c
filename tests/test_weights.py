"""Where the network's weights come from, and what is refused."""

import io
import pickle
import time
import urllib.error

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional
from torchvision.models import vgg

from render import weights
from render.errors import WeightsError
from render.spec.job import ModelSpec
from render.spec.layers import layer_names
from render.style.vgg import Vgg
from render.weights import CAFFE_MEAN_BGR, IMAGENET_MEAN, IMAGENET_STD, load_convolutions

CPU = torch.device("cpu")
LAYERS = ("relu1_1", "conv2_2")
CONFIGURATIONS = {"vgg16": "D", "vgg19": "E"}


def torchvision_state(arch):
    """The state dict of torchvision's own network, randomly initialised, its classifier cut short."""
    torch.manual_seed(0)
    features = vgg.make_layers(vgg.cfgs[CONFIGURATIONS[arch]])
    state = {f"features.{name}": tensor for name, tensor in features.state_dict().items()}
    return {**state, "classifier.0.weight": torch.zeros(2, 2), "classifier.0.bias": torch.zeros(2)}


@pytest.fixture(scope="module")
def states():
    return {arch: torchvision_state(arch) for arch in CONFIGURATIONS}


def write(state, path):
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


def load(path, layers=LAYERS, **settings):
    return load_convolutions(ModelSpec(weights=path, **settings), layers)


def features(convolutions, pixels):
    network = Vgg(convolutions, LAYERS, pooling="max", device=CPU)
    return network.features(pixels)


def expected_features(state, normalised):
    """The two layers, from the padded input that the network wants, convolution by convolution."""
    kernels = [state[f"features.{n}.weight"] for n in (0, 2, 5, 7)]
    biases = [state[f"features.{n}.bias"] for n in (0, 2, 5, 7)]
    x = functional.conv2d(
        functional.pad(normalised, (1, 1, 1, 1), "replicate"), kernels[0], biases[0]
    )
    first = x = functional.relu(x)
    x = functional.relu(functional.conv2d(x, kernels[1], biases[1], padding=1))
    x = functional.max_pool2d(x, 2)
    x = functional.relu(functional.conv2d(x, kernels[2], biases[2], padding=1))
    return {"relu1_1": first, "conv2_2": functional.conv2d(x, kernels[3], biases[3], padding=1)}


def picture():
    return torch.rand(1, 3, 16, 20, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("arch", ["vgg16", "vgg19"])
def test_a_state_dict_of_torchvision_gives_torchvisions_features(states, arch, suffix, tmp_path):
    path = write(states[arch], tmp_path / f"weights{suffix}")
    mean, std = (torch.tensor(each)[:, None, None] for each in (IMAGENET_MEAN, IMAGENET_STD))
    expected = expected_features(states[arch], (picture() - mean) / std)
    found = features(load(path, arch=arch), picture())
    for name in LAYERS:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-5)


def test_feature_layers_alone_are_enough_whatever_stands_before_their_numbers(states, tmp_path):
    whole = load(write(states["vgg16"], tmp_path / "whole.pth"), arch="vgg16")
    for prefix in ("", "features.", "model.encoder."):
        bare = {
            prefix + name.removeprefix("features."): tensor
            for name, tensor in states["vgg16"].items()
            if name.startswith("features.")
        }
        found = load(write(bare, tmp_path / "bare.safetensors"), arch="vgg16")
        assert all(map(torch.equal, found.kernels, whole.kernels))
        assert all(map(torch.equal, found.biases, whole.biases))


def test_weights_of_another_architecture_are_refused(states, tmp_path):
    path = write(states["vgg16"], tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=r"model\.weights: .*w\.safetensors .*vgg19: 13 conv"):
        load(path, arch="vgg19")


def test_weights_with_batch_normalisation_are_refused(states, tmp_path):
    state = states["vgg16"] | {"features.1.running_mean": torch.zeros(64)}
    path = write(state, tmp_path / "bn.safetensors")
    with pytest.raises(WeightsError, match=r"model\.weights: .*bn\.safetensors has batch normal"):
        load(path, arch="vgg16")


def test_only_files_may_be_of_caffe(states, tmp_path):
    for known in ("imagenet", "procedural"):
        with pytest.raises(WeightsError, match=rf"model\.encoding: the {known} weights expect RGB"):
            load_convolutions(ModelSpec(weights=known, encoding="caffe"), LAYERS)


def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path):
    class Harmful:
        def __reduce__(self):
            return (open, (str(tmp_path / "made.txt"), "w"))

    path = tmp_path / "w.pth"
    torch.save({"features.0.weight": Harmful()}, path)
    with pytest.raises(WeightsError, match=r"model\.weights: .*is no state dict"):
        load(path)
    path.write_bytes(pickle.dumps({"features.0.weight": Harmful()}, protocol=2))
    with pytest.raises(WeightsError, match=r"model\.weights: .*is no state dict"):
        load(path)
    assert not (tmp_path / "made.txt").exists()


def test_nobody_is_advised_to_load_a_pickle_unsafely(tmp_path, style_picture):
    path = tmp_path / "w.pth"
    path.write_bytes(style_picture.read_bytes())
    with pytest.raises(WeightsError, match=r"no state dict \(not a pickle of tensors alone\)$"):
        load(path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("data", [b"", b"no weights at all", bytes(64), b"h\x07.", b'{"a": 1}'])
def test_a_file_of_something_else_is_refused(data, suffix, tmp_path):
    path = tmp_path / f"w{suffix}"
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=r"model\.weights: .*is no state dict"):
        load(path)


def test_a_file_without_tensors_by_name_is_refused(tmp_path):
    for state in ([torch.zeros(3)], {0: torch.zeros(3)}):
        with pytest.raises(WeightsError, match="tensors by name"):
            load(write(state, tmp_path / "w.pth"))


def test_a_missing_bias_is_named(states, tmp_path):
    state = {name: t for name, t in states["vgg16"].items() if name != "features.5.bias"}
    with pytest.raises(WeightsError, match=r"lacks features\.5\.bias"):
        load(write(state, tmp_path / "w.safetensors"), arch="vgg16")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(states, value, tmp_path):
    broken = states["vgg16"]["features.2.bias"].clone()
    broken[3] = value
    path = write({**states["vgg16"], "features.2.bias": broken}, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="not finite"):
        load(path, arch="vgg16")


def test_a_path_without_a_file_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"model\.weights: no file at .*gone\.pth"):
        load(tmp_path / "gone.pth")


def test_declared_caffe_weights_see_bgr_from_0_to_255_less_their_mean(states, tmp_path):
    path = write(states["vgg16"], tmp_path / "w.safetensors")
    mean = torch.tensor(CAFFE_MEAN_BGR)[:, None, None]
    expected = expected_features(states["vgg16"], 255 * picture().flip(1) - mean)
    found = features(load(path, arch="vgg16", encoding="caffe"), picture())
    for name in LAYERS:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("encoding", ["rgb", "caffe"])
def test_the_pixel_that_is_nought_to_the_network_and_its_unit_are_known(states, encoding, tmp_path):
    """The first layer answers `zero` with its bias, and a step of 1 with `unit` times its kernel."""
    path = write(states["vgg16"], tmp_path / "w.safetensors")
    found = load(path, arch="vgg16", encoding=encoding)
    zero = torch.tensor(found.zero)[:, None, None].expand(1, 3, 3, 3)
    answer = functional.conv2d(zero, found.kernels[0], found.biases[0]).flatten()
    torch.testing.assert_close(answer, states["vgg16"]["features.0.bias"], rtol=0, atol=1e-3)
    ratio = found.kernels[0].norm() / states["vgg16"]["features.0.weight"].norm()
    assert found.unit == pytest.approx(ratio.item(), rel=0.01)


def test_well_known_caffe_files_are_recognised_by_their_digest_alone(states, tmp_path, monkeypatch):
    path = write(states["vgg16"], tmp_path / "w.safetensors")
    as_rgb, as_caffe = (load(path, arch="vgg16", encoding=each) for each in ("rgb", "caffe"))
    assert torch.equal(load(path, arch="vgg16").kernels[0], as_rgb.kernels[0])
    monkeypatch.setattr(weights, "CAFFE_FILES", (weights._digest(path)[:8],))
    assert torch.equal(load(path, arch="vgg16").kernels[0], as_caffe.kernels[0])
    assert torch.equal(load(path, arch="vgg16", encoding="rgb").kernels[0], as_rgb.kernels[0])


@pytest.mark.parametrize(
    "error",
    [
        urllib.error.URLError("no route to host"),
        TimeoutError("timed out"),
        urllib.error.HTTPError("u", 403, "Forbidden", {}, io.BytesIO()),
        RuntimeError('invalid hash value (expected "397923af", got "0")'),
    ],
    ids=lambda error: type(error).__name__,
)
def test_without_network_the_error_names_three_ways_out_at_once(error, tmp_path, monkeypatch):
    asked = []

    def refuse(url, *_, **__):
        asked.append(url)
        raise error

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    began = time.monotonic()
    with pytest.raises(WeightsError) as caught:
        load_convolutions(ModelSpec(weights="imagenet"), LAYERS)
    assert time.monotonic() - began < 1
    assert len(asked) == 1
    message = str(caught.value)
    for way in (f"fetch {asked[0]}", "path of a state dict", "model.weights to procedural"):
        assert way in message
    assert str(tmp_path / "checkpoints" / "vgg19-dcbb9e9d.pth") in message


def test_a_cache_that_cannot_be_made_is_told_with_the_same_ways_out(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "file" / "hub"))
    with pytest.raises(WeightsError, match=r"cannot be downloaded .* Three ways out"):
        load_convolutions(ModelSpec(weights="imagenet"), LAYERS)


def test_imagenet_weights_in_the_cache_need_no_network(states, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    path = write(states["vgg16"], folder / "vgg16-397923af.pth")
    found = load_convolutions(ModelSpec(arch="vgg16", weights="imagenet"), LAYERS)
    assert torch.equal(found.kernels[0], load(path, arch="vgg16", encoding="rgb").kernels[0])


def test_procedural_weights_go_down_to_the_deepest_layer():
    spec = ModelSpec(arch="vgg16", weights="procedural")
    assert len(load_convolutions(spec, ("relu1_1", "conv2_1")).kernels) == 3
    shallow = load_convolutions(spec, ("relu1_1",))
    deeper = load_convolutions(spec, layer_names("vgg16")[:6])
    assert torch.equal(shallow.kernels[0], deeper.kernels[0])
