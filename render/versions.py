"""What a picture is made with: the versions of this program and of the libraries that touch pixels."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("render-nst", "torch", "torchvision", "ray", "numpy", "opencv-python-headless", "av",
             "imageio-ffmpeg", "pillow")  # fmt: skip


@cache
def versions() -> dict[str, str]:
    """Versions by name, of Python and of `LIBRARIES`."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


@cache
def code_digest() -> str:
    """Hash of this program's code, which changes more often than its version."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
