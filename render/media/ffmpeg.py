"""The ffmpeg program: which inputs it may open, and one running process of it."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import imageio_ffmpeg

from render.errors import SourceError

# Demuxers of self-contained media files. Whatever follows references to other files or addresses
# (hls, dash, concat, image2, sdp, imf, avisynth ...) is left out on purpose.
DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,vvc,obu,av1,ivf,"
    "ogg,flv,asf,mxf,dv,gif,nut,rm,swf,yuv4mpegpipe"
)
PROTOCOLS = "file,pipe"
GUARD = {"protocol_whitelist": PROTOCOLS, "format_whitelist": DEMUXERS}
"""Options that every opened input gets, through PyAV or on the command line."""

_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"<?xml", b"<MPD", b"[playlist]", b"v=0", b"file ")
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*")
_HEAD = 512
_MESSAGES = 65536
_SPEAKER = re.compile(r"^(\[[^]]* @ 0x[0-9a-f]+\] )+")


def executable() -> str:
    """Path of the ffmpeg that imageio-ffmpeg brings."""
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def guarded_input(path: Path, *options: str) -> list[str]:
    """Arguments that open a media file, and only a media file, with `options` before it."""
    guard = [text for key, value in GUARD.items() for text in (f"-{key}", value)]
    return [*guard, *options, "-i", f"file:{path.absolute()}"]


def check_media_file(path: Path) -> None:
    """Refuse at once what cannot be a video.

    Raises:
        SourceError: missing, a folder, empty, a playlist or a picture.
    """
    try:
        if not path.exists():
            raise SourceError(f"{path}: no such file; check the path of the input")
        if not path.is_file():
            raise SourceError(f"{path}: not a file")
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error
    if not head:
        raise SourceError(f"{path}: the file is empty (0 bytes)")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(_PLAYLISTS):
        raise SourceError(
            f"{path}: a playlist, not a video; playlists are refused because they can open "
            "other files and addresses. Name the video file itself"
        )
    if head.startswith(_PICTURES) or head[8:12] in (b"WEBP", b"avif"):
        raise SourceError(f"{path}: a picture, not a video; use `kind: images` for pictures")


class Process:
    """A running ffmpeg with its messages kept aside."""

    def __init__(self, process: subprocess.Popen[bytes], messages: BinaryIO) -> None:
        self._process = process
        self._messages = messages

    @property
    def input_number(self) -> int:
        """File descriptor of its standard input."""
        assert self._process.stdin is not None, "started with feed=True"
        return self._process.stdin.fileno()

    @property
    def output_number(self) -> int:
        """File descriptor of its standard output."""
        assert self._process.stdout is not None, "started with read=True"
        return self._process.stdout.fileno()

    def finish(self) -> int:
        """End its input, wait for it to end, and give its exit code."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        return self._process.wait()

    def wait(self) -> int:
        """The exit code, once the process has ended."""
        return self._process.wait()

    def said(self) -> int:
        """How many bytes of messages there are so far."""
        return os.fstat(self._messages.fileno()).st_size

    def complaints(self) -> list[str]:
        """What ffmpeg has said so far, line by line."""
        length = self.said()
        # Read at a place of our own: the file's position is ffmpeg's.
        text = os.pread(self._messages.fileno(), _MESSAGES, max(0, length - _MESSAGES))
        lines = (
            _SPEAKER.sub("", line).strip() for line in text.decode(errors="replace").split("\n")
        )
        return [line for line in lines if line]

    def reason(self) -> str:
        """What ffmpeg said first, in one line."""
        return "; ".join(self.complaints()[:2]) or "ffmpeg gave no reason"


@contextmanager
def running(
    arguments: Sequence[str], *, feed: bool = False, read: bool = False
) -> Iterator[Process]:
    """An ffmpeg process, which never outlives the `with` block.

    Args:
        arguments: everything behind the program's name.
        feed: whether `stdin` is a pipe.
        read: whether `stdout` is a pipe.
    """
    command = [executable(), "-hide_banner", "-v", "error", "-nostats", "-y", *arguments]
    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
            stdout=subprocess.PIPE if read else subprocess.DEVNULL,
            stderr=messages,
            bufsize=0,
            process_group=0,  # Ctrl-C is for this program to handle, not for its helpers
        )
        try:
            yield Process(process, messages)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
