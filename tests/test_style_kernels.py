"""Kernels of our own for GPUs: where they are used, and that they compute what torch does."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from render.style.kernels import kernels_work

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@pytest.fixture
def forgotten():
    """What is known of devices, forgotten before and after."""
    kernels_work.cache_clear()
    yield
    kernels_work.cache_clear()


@pytest.mark.skipif(find_spec("triton") is None, reason="there is no Triton")
@pytest.mark.parametrize(
    "interpreted", [True, pytest.param(False, marks=[pytest.mark.gpu, needs_gpu])]
)
def test_they_compute_what_torch_does(interpreted):
    tests = Path(__file__).with_name("kernels_against_torch.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n0", tests],
        env={**os.environ, "TRITON_INTERPRET": str(int(interpreted))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.usefixtures("forgotten")
def test_a_processor_has_none():
    assert not kernels_work(torch.device("cpu"))


@pytest.mark.usefixtures("forgotten")
def test_without_a_compiler_for_them_torchs_own_are_used_and_it_is_said(monkeypatch):
    pool = pytest.importorskip("render.style.kernels.pool")

    def broken(x, *, largest, relu):
        raise RuntimeError("Failed to find C compiler")

    monkeypatch.setattr(pool, "pool", broken)
    monkeypatch.setattr(torch, "zeros", lambda *shape, device: None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    gpu = torch.device("cuda")
    with pytest.warns(UserWarning, match="slower: Failed to find C compiler"):
        assert not kernels_work(gpu)
    assert not kernels_work(gpu)  # without a second attempt


@pytest.mark.usefixtures("forgotten")
def test_a_gpu_without_products_of_bfloat16_has_none_either(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
    assert not kernels_work(torch.device("cuda"))
