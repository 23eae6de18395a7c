"""Which frames of a video are damaged, found out when its decoder complains."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache

import av

from render.media.decode import Track
from render.media.ffmpeg import GUARD

_AHEAD = 100
"""Packets; the decoder is never further ahead of the frame that is read."""


@lru_cache(maxsize=256)
def damaged(track: Track, keys: tuple[int, ...], tick: int) -> tuple[int, ...]:
    """Timestamps of frames around `tick` of which the decoder cannot make whole pictures.

    ffmpeg's program complains of damage without saying where, conceals it if it can, and decodes ahead
    of what is read. So the packets are decoded once more here, one by one, with nothing concealed.

    Args:
        track: the stream.
        keys: timestamps of the last two key frames before that; none: the file is decoded from its
            start. A seek to the one may land behind it, and then finds the other.
        tick: timestamp of the frame that came next when the complaint was heard.
    """
    found = []
    left = _AHEAD
    with (
        suppress(av.error.FFmpegError),  # a damaged container has no more packets
        av.open(str(track.path.absolute()), options=dict(GUARD)) as container,
    ):
        stream = container.streams[track.stream]
        assert isinstance(stream, av.VideoStream)
        stream.thread_type = "NONE"
        stream.codec_context.options = {"err_detect": "explode"}
        if keys:
            container.seek(keys[0], stream=stream)
        begun = not keys
        for packet in container.demux(stream):
            begun |= packet.is_keyframe
            try:
                if begun:
                    packet.decode()
            except av.error.FFmpegError:
                if packet.pts is not None and not (keys and packet.pts < keys[-1]):
                    found.append(packet.pts)
            left -= packet.pts is not None and packet.pts > tick
            if not left:
                break
    return tuple(sorted(found))
