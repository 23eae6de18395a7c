"""One run at a time in an output folder."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterable
from pathlib import Path

from render.errors import OutputError

_NAME = "lock"


def refuse_links(places: Iterable[Path]) -> None:
    """Refuse places that are written in, or added to, and could lead elsewhere.

    Raises:
        OutputError: one is a link.
    """
    for place in places:
        if place.is_symlink():
            raise OutputError(f"{place} is a link; nothing is written through it")


class Lock:
    """Holds a folder until it is released or its process ends, however it ends.

    The system lets go of the lock of a dead process, so that a file left behind hinders nobody. Over
    NFS, Linux passes the lock on to the server, so that it holds between machines too; a file system
    that knows no locks is refused.

    Raises:
        OutputError: another run holds the folder.
        OSError: it cannot be written, or has no locks.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME
        self._file = self._path.open("a+b", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._file.truncate(0)
            self._file.write(f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        except OSError as error:
            self._file.seek(0)
            holder = self._file.read(200).decode(errors="replace").strip()
            self._file.close()
            if isinstance(error, BlockingIOError):
                raise OutputError(
                    f"another run is writing to {folder} ({holder}); wait for it"
                ) from None
            raise

    def check(self) -> None:
        """Make sure that nobody took the lock away, and with it the right to write here.

        Raises:
            OutputError: its file was deleted or replaced, so another run may have begun.
        """
        try:
            ours = os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except FileNotFoundError:
            ours = False
        if not ours:
            raise OutputError(
                f"{self._path} was deleted while this run was writing to its folder, so that another "
                "one may have begun; run the same command again"
            )

    def release(self) -> None:
        """Let others in."""
        self._file.close()
