"""What works on this machine and what does not, and for each thing missing the command that mends it."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
from imageio_ffmpeg import get_ffmpeg_exe

from render.assembly import fastest_precision
from render.errors import RenderError
from render.farm.cluster import connected, try_actor
from render.machine import free_memory, memory
from render.spec.farm import Farm

ENCODERS = {"h264": "libx264", "h265": "libx265", "av1": "libsvtav1", "vp9": "libvpx-vp9"}
LEAST_DISK, LEAST_MEMORY = 5, 4
"""Gigabytes below which a warning is due."""

State = Literal["ok", "warning", "broken"]


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes:
        what: its name.
        state: `ok`; `warning`, if only some jobs suffer; `broken`, if none can run.
        found: what there is.
        mend: the one command that mends it; empty where nothing has to be done.
    """

    what: str
    state: State
    found: str
    mend: str = ""

    def to_data(self) -> dict[str, str]:
        """As plain data."""
        return asdict(self)


def examine(address: str | None = None, folder: Path = Path()) -> Iterator[Finding]:
    """Look at everything that a job needs, one after the other.

    Args:
        address: of a Ray cluster to join; `None`: the one that the surroundings name, or a local one.
        folder: where results would go.
    """
    looks: list[Callable[[], Iterator[Finding]]] = [
        _python,
        _devices,
        _ffmpeg,
        _weights,
        lambda: _room(folder),
        lambda: _ray(address),
    ]
    for look in looks:
        yield from look()


def _python() -> Iterator[Finding]:
    yield Finding("python", "ok", platform.python_version())
    yield Finding("torch", "ok", torch.__version__)


def _devices() -> Iterator[Finding]:
    if not torch.cuda.is_available():
        found = f"{os.cpu_count()} cores; {_precision(torch.device('cpu'))}"
        yield Finding("cpu", "ok", found)
        if shutil.which("nvidia-smi") is None:
            yield Finding("gpu", "ok", "none")
        elif torch.version.cuda is None:
            mend = "pip install --force-reinstall torch torchvision"
            yield Finding("gpu", "warning", "there, but this torch is built without CUDA", mend)
        else:
            found = f"there, but its driver is too old for CUDA {torch.version.cuda}, or not loaded"
            yield Finding("gpu", "warning", found, "sudo ubuntu-drivers install")
        return
    for number in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(number)
        precision = _precision(torch.device("cuda", number))
        memory = about.total_memory / 2**30
        yield Finding(f"gpu {number}", "ok", f"{about.name}, {memory:.0f} GiB; {precision}")


def _precision(device: torch.device) -> str:
    return f"convolutions in {str(fastest_precision(device)).removeprefix('torch.')}"


def _ffmpeg() -> Iterator[Finding]:
    mend = "pip install --force-reinstall imageio-ffmpeg"
    try:
        program = get_ffmpeg_exe()
        listed = subprocess.run(
            [program, "-hide_banner", "-encoders"],
            capture_output=True, text=True, timeout=30, check=True,
        ).stdout  # fmt: skip
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        yield Finding("ffmpeg", "broken", f"cannot be started ({error})", mend)
        return
    yield Finding("ffmpeg", "ok", program)
    missing = [codec for codec, name in ENCODERS.items() if name not in listed]
    there = ", ".join(codec for codec in ENCODERS if codec not in missing) or "none"
    yield Finding(
        "encoders",
        "warning" if missing else "ok",
        there + (f"; missing: {', '.join(missing)}" if missing else ""),
        mend if missing else "",
    )


def _weights() -> Iterator[Finding]:
    folder = Path(torch.hub.get_dir(), "checkpoints")
    found = sorted(
        path.name for arch in ("vgg16", "vgg19") for path in folder.glob(f"{arch}-*.pth")
    )
    if found:
        yield Finding("weights", "ok", f"{', '.join(found)} in {folder}; procedural always")
    else:
        yield Finding(
            "weights",
            "warning",
            f"none in {folder}; model.weights=procedural needs none",
            "python -c \"import torchvision; torchvision.models.vgg19(weights='DEFAULT')\"",
        )


def _room(folder: Path) -> Iterator[Finding]:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"render")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        mend = f"chmod u+w {shlex.quote(str(folder.absolute()))}"
        yield Finding("writing", "broken", f"{folder.absolute()}: {error.strerror}", mend)
    else:
        yield Finding("writing", "ok", f"{folder.absolute()} can be written")
    free = shutil.disk_usage(folder).free / 1e9
    low = free < LEAST_DISK
    mend = "render run JOB.yaml output.path=/ANOTHER/DISK/out.mp4"
    yield Finding("disk", "warning" if low else "ok", f"{free:.0f} GB free", mend if low else "")
    low = free_memory() / 1e9 < LEAST_MEMORY
    mend = "render run JOB.yaml output.size=512 farm.workers=1"
    found = f"{memory() / 1e9:.0f} GB, {free_memory() / 1e9:.0f} GB of them free"
    yield Finding("memory", "warning" if low else "ok", found, mend if low else "")


def _ray(address: str | None) -> Iterator[Finding]:
    named = address or os.environ.get("RAY_ADDRESS")
    try:
        with connected(Farm(address=address)):
            found = try_actor()
    except RenderError as error:
        mend = (
            f"ray status --address {named}"
            if named
            else "pip install --force-reinstall 'ray[default]'"
        )
        yield Finding("ray", "broken", str(error).splitlines()[0], mend)
        return
    yield Finding("ray", "ok", f"{'cluster ' + named if named else 'local'}: {found}")
