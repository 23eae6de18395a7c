"""What the C library does with the memory that a process frees, where it is glibc."""

from __future__ import annotations

import ctypes
from collections.abc import MutableMapping

_MXFAST, _TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = 1, -1, -2, -4
"""Parameters of `mallopt`."""
_KEEPING = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1), (_TOP_PAD, 64 << 20), (_MXFAST, 0))
"""Nothing apart from the heap, which never shrinks, grows in large steps, and joins all that is free."""


def keep_memory() -> None:
    """Have it keep what this process frees for what is allocated next.

    Features of a picture are tens of megabytes, which glibc gives back to the system every time, to
    get pages of zeros for the next ones: at 1024 px that is nearly half of all time on a CPU.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in _KEEPING:
            mallopt(parameter, value)


def fit_places(environment: MutableMapping[str, str]) -> None:
    """Let processes that start in this environment put features where some of their size have been.

    Torch asks for aligned memory. Glibc takes a little more, cuts it off on both sides, and has its
    cache of small pieces (tcache) hand that out: the place is then a few bytes short for the next of its
    size, which gets a new one. Without the cache a process that keeps its memory peaks a tenth lower, in
    no more time. It can be turned off only before a process starts; what the user has set there stays.
    """
    environment.setdefault("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0")
