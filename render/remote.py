"""Object storage through fsspec, asked patiently.

Throttling, errors of the server and broken connections are waited out here, and nowhere above: the
backends' own repeats are turned off where they can be.
"""

from __future__ import annotations

import errno
import random
import time
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import fsspec
from fsspec import AbstractFileSystem
from fsspec.exceptions import FSTimeoutError

from render.errors import RenderError
from render.spec.url import SCHEMES, Url

ATTEMPTS = 8
FIRST_WAIT, LONGEST_WAIT = 0.25, 20.0
"""Seconds: a wait is drawn from 0 up to the first, doubled each time and never over the longest."""

_OPTIONS: dict[str, dict[str, Any]] = {
    "s3": {
        "config_kwargs": {
            "retries": {"mode": "standard", "total_max_attempts": 1},
            "connect_timeout": 10,
            "read_timeout": 60,
            "max_pool_connections": 64,
        },
        "use_listings_cache": False,
    },
    "gs": {"use_listings_cache": False},
}
_PASSING = {errno.EBUSY, errno.EIO, errno.EREMOTEIO, errno.ECONNRESET, errno.EPIPE}
"""What s3fs makes of SlowDown and of errors of the server, and broken connections."""
_DAMAGED = {
    "BadDigest",
    "IncompleteBody",
    "XAmzContentSHA256Mismatch",
    "XAmzContentChecksumMismatch",
}
"""S3's words for what was damaged on its way there."""

T = TypeVar("T")


class RefusedError(Exception):
    """Object storage did not do it; the message says why. `absent`: because there is no such thing."""

    def __init__(self, message: str, *, absent: bool = False) -> None:
        self.absent = absent
        super().__init__(message)


def asked(place: Url, kind: type[RenderError], call: Callable[[Any], T]) -> T:
    """What a backend answers to a call.

    Args:
        place: what is asked for.
        kind: of the error that is raised where it is not granted.
        call: is given the backend.
    """
    try:
        return patiently(place, call)
    except RefusedError as error:
        raise kind(str(error)) from error


def patiently(place: Url, call: Callable[[Any], T]) -> T:
    """Ask object storage, and again after a while where the trouble is one that passes.

    Raises:
        RefusedError: it does not pass, or has not passed.
    """
    system = _system(place.scheme)
    started = time.monotonic()
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(random.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1))))
        try:
            return call(system)
        except Exception as error:
            if not _passes(error):
                raise _refusal(place, error) from error
            last = error
    waited = time.monotonic() - started
    raise RefusedError(
        f"{place}: given up after {ATTEMPTS} attempts in {waited:.0f} s; the last: {_said(last)}"
    ) from last


def _passes(error: Exception) -> bool:
    """Whether the same request may well be granted in a while."""
    response = getattr(error.__cause__, "response", None)
    if isinstance(response, dict) and response.get("Error", {}).get("Code") in _DAMAGED:
        return True
    # By name, because the packages that these come from need not be installed.
    names = {f"{kind.__module__}.{kind.__name__}" for kind in type(error).__mro__}
    if isinstance(error, (ConnectionError, TimeoutError, FSTimeoutError)) or names & _BROKEN:
        return True
    if isinstance(error, OSError):
        return error.errno in _PASSING
    return getattr(error, "code", None) in (408, 429, *range(500, 505))  # of gcsfs


_BROKEN = {
    "aiohttp.client_exceptions.ClientError",
    "botocore.exceptions.HTTPClientError",
    "botocore.exceptions.ConnectionError",
    "botocore.exceptions.IncompleteReadError",
    "botocore.parsers.ResponseParserError",
    "requests.exceptions.ConnectionError",
    "requests.exceptions.Timeout",
    "http.client.IncompleteRead",
}


def _refusal(place: Url, error: Exception) -> RefusedError:
    """What a person has to know of an error that does not pass."""
    if isinstance(error, FileNotFoundError):
        return RefusedError(f"{place}: not there ({_said(error)})", absent=True)
    if type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError"):
        return RefusedError(
            f"{place}: no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            f"AWS_PROFILE, or give the machine a role"
        )
    if isinstance(error, PermissionError) or getattr(error, "code", None) in (401, 403):
        return RefusedError(f"{place}: access is refused ({_said(error)})")
    return RefusedError(f"{place}: {_said(error)}")


def _said(error: Exception) -> str:
    """An error in one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()).rstrip(".") or type(error).__name__


@cache
def _system(scheme: str) -> AbstractFileSystem:
    """The backend, one for the whole process: fsspec's own cache would make one for each thread."""
    try:
        system = fsspec.filesystem(scheme, skip_instance_cache=True, **_OPTIONS.get(scheme, {}))
    except ImportError as error:
        raise RefusedError(
            f"{scheme}:// needs a package: pip install 'render-nst[{SCHEMES[scheme]}]'"
        ) from error
    system.retries = 1  # s3fs' own, whose waits have no jitter
    return system


def inside(place: Url) -> str:
    """Bucket and key, which no backend takes apart as a URL with `?` and `#` in it."""
    return (
        f"{place.bucket}/{place.key}"
        if place.scheme != "memory"
        else f"/{place.bucket}/{place.key}"
    )
