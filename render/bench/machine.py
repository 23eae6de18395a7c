"""What the machine is, and how fast it multiplies matrices."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from torch.nn import functional


@dataclass(frozen=True)
class Machine:
    """What figures were measured on.

    Attributes:
        device: name of the GPU or the CPU.
        threads: of torch, on a CPU.
        units: what multiplies matrices there: `AMX`, `AVX-512 BF16`, ...
        torch: its version.
        python: its version.
        system: operating system and architecture.
    """

    device: str
    threads: int
    units: str
    torch: str
    python: str
    system: str


def describe(device: torch.device) -> Machine:
    """The machine that `device` is on."""
    cuda = device.type == "cuda"
    return Machine(
        torch.cuda.get_device_name(device) if cuda else _processor(),
        torch.get_num_threads(),
        f"compute capability {'.'.join(map(str, torch.cuda.get_device_capability(device)))}"
        if cuda
        else torch.backends.cpu.get_cpu_capability() + (" + AMX" if _amx() else ""),
        torch.__version__,
        platform.python_version(),
        f"{platform.system()} {platform.machine()}",
    )


def matrix_rate(device: torch.device, precision: torch.dtype) -> float:
    """Most floating-point operations a second that a large matrix product or convolution reaches.

    Both are tried, because on some machines a library for the one is far behind that for the other.
    """
    side = 8192 if device.type == "cuda" else 2048
    a, b = (torch.randn(side, side, device=device).to(precision) for _ in range(2))
    channels, edge = 512, side // 64
    picture = torch.randn(1, channels, edge, edge, device=device).to(
        precision, memory_format=torch.channels_last
    )
    kernel = torch.randn(channels, channels, 3, 3, device=device).to(
        precision, memory_format=torch.channels_last
    )
    return max(
        2 * side**3 / seconds(lambda: a @ b, device),
        18
        * channels**2
        * edge**2
        / seconds(lambda: functional.conv2d(picture, kernel, padding=1), device),
    )


def seconds(work: Callable[[], object], device: torch.device, times: int = 7) -> float:
    """Median time of `work`, after it was done twice."""
    work(), work()
    taken = []
    for _ in range(times):
        wait(device)
        begin = time.perf_counter()
        work()
        wait(device)
        taken.append(time.perf_counter() - begin)
    return median(taken)


def wait(device: torch.device) -> None:
    """Until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _amx() -> bool:
    return torch.cpu._is_amx_tile_supported()


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    fields = dict(line.split("\t: ", 1) for line in lines if "\t: " in line)
    fields = {name.strip(): value for name, value in fields.items()}
    name = fields.get("model name", platform.processor())
    if "cpu family" in fields:
        name += f" (family {fields['cpu family']}, model {fields['model']})"
    return name
