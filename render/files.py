"""Files that are there whole or not at all, and known by their digests."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath

from render.errors import OutputError


def write_atomically(path: Path, data: bytes, before: Callable[[], None] | None = None) -> None:
    """Write a file so that it is there whole or not at all, and stays after a power cut.

    Args:
        path: the file.
        data: its bytes.
        before: called when the bytes are safe on disk, before they take their name.

    Raises:
        OutputError: it cannot be written, because the disk is full for example.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if before is not None:
            before()
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise OutputError(f"{path} cannot be written: {error.strerror}") from error
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def is_inside(name: str) -> bool:
    """Whether a name that somebody else chose, joined to a folder, is that of a file below it.

    Neither does it lead out, nor is it another way to write the name of the same file.
    """
    path = PurePosixPath(name)
    plain = bool(path.name) and str(path) == name and "\0" not in name
    return plain and not path.is_absolute() and ".." not in path.parts


def digest(data: bytes) -> str:
    """SHA-256, in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def intact(path: Path, sha256: str) -> bytes | None:
    """The bytes of a file, if it is there and has this digest."""
    with suppress(OSError):
        data = path.read_bytes()
        return data if digest(data) == sha256 else None
    return None


def empty_folder(folder: Path, *, keep: str) -> None:
    """Delete all that is in a folder but the file `keep`; links, not what they lead to."""
    for path in folder.iterdir():
        if path.name == keep:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def sync_folder(folder: Path) -> None:
    """Make the names in a folder stay after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
