"""What the C library does with the memory that a process frees, where it is glibc."""

from __future__ import annotations

import ctypes

_MXFAST, _TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = 1, -1, -2, -4
"""Parameters of `mallopt`."""
_KEEPING = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1), (_TOP_PAD, 64 << 20), (_MXFAST, 0))
"""Nothing apart from the heap, which never shrinks, grows in large steps, and joins all that is free."""


def keep_memory() -> None:
    """Have it keep what this process frees for what is allocated next.

    Features of a picture are tens of megabytes, which glibc gives back to the system every time, to
    get pages of zeros for the next ones: at 1024 px that is nearly half of all time on a CPU.

    Torch asks for aligned memory. Glibc takes a little more, cuts it off on both sides, and has its
    cache of small pieces (tcache) hand that out: the place is then a few bytes short for the next of its
    size, which gets a new one. A process that starts with GLIBC_TUNABLES=glibc.malloc.tcache_count=0
    peaks a tenth lower; later the cache cannot be turned off, and what starts Ray so is slower.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in _KEEPING:
            mallopt(parameter, value)
