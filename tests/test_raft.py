"""RAFT with weights of our own making: trained ones cannot be had without network."""

import numpy as np
import pytest
import torch
from conftest import smooth_noise
from safetensors.torch import save_file
from torchvision.models.optical_flow import raft_large

from render.errors import WeightsError
from render.raft import load_raft, measured_size
from render.spec.job import Temporal
from render.weights import RAFT_CACHED, find_raft

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(0)
    return raft_large(progress=False).state_dict()


@pytest.fixture(scope="module")
def weights(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("raft") / "raft.safetensors"
    save_file(state, path)
    return path


def test_pictures_are_measured_at_sides_that_it_can_halve_and_at_no_more_than_they_need():
    assert measured_size(256, 144) == (256, 144)
    assert measured_size(250, 90) == (248, 128)
    assert measured_size(3840, 2160) == (960, 544)


def test_the_flow_has_the_size_of_the_pictures_and_is_that_of_the_network(weights, state):
    before = smooth_noise(100, 60, seed=1)
    now = np.roll(before, 3, 1)
    flow = load_raft(weights, CPU)(now, before)
    assert flow.shape == (60, 100, 2)
    assert flow.dtype == np.float32
    model = raft_large(progress=False)
    model.load_state_dict(state)
    square = [
        torch.nn.functional.interpolate(
            torch.from_numpy(each).permute(2, 0, 1)[None].float() / 127.5 - 1,
            (128, 128),
            mode="bilinear",
        )
        for each in (now, before)
    ]
    with torch.no_grad():
        wanted = model.eval()(*square)[-1][0]
    scale = np.array([100 / 128, 60 / 128])
    assert np.allclose(flow.mean((0, 1)), wanted.mean((1, 2)).numpy() * scale, atol=0.05)
    assert np.array_equal(load_raft(weights, CPU)(now, before), flow)


def test_a_state_dict_of_something_else_is_an_error(tmp_path):
    path = tmp_path / "other.pth"
    torch.save({"0.weight": torch.zeros(3)}, path)
    with pytest.raises(
        WeightsError, match=r"temporal\.flow_weights: .*other\.pth is no state dict"
    ):
        load_raft(path, CPU)


def test_weights_are_those_of_the_job_or_of_torchvisions_cache(weights, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert find_raft(Temporal()) is None
    assert find_raft(Temporal(flow="raft", warm_start="previous")) is None  # which measures no flow
    assert find_raft(Temporal(flow="raft", flow_weights=weights)) == weights
    with pytest.raises(WeightsError, match=r"temporal\.flow_weights: no file at .*none\.pth"):
        find_raft(Temporal(flow="raft", flow_weights=tmp_path / "none.pth"))
    with pytest.raises(WeightsError, match=r"not on this machine. Three ways out: .*flow to dis"):
        find_raft(Temporal(flow="raft"))
    cached = tmp_path / "hub" / "checkpoints" / RAFT_CACHED
    cached.parent.mkdir(parents=True)
    cached.write_bytes(weights.read_bytes())
    assert find_raft(Temporal(flow="raft")) == cached
