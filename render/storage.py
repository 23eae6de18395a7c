"""Files wherever they are: on this machine's disks, or in object storage through fsspec.

Throttling, errors of the server and broken connections are waited out here, and nowhere above: the
backends' own repeats are turned off where they can be. A `PUT` is there whole or not at all, and so
is a file on a disk (see `files`), so no half of anything is ever seen under its name.
"""

from __future__ import annotations

import errno
import hashlib
import os
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import fsspec
from fsspec import AbstractFileSystem
from fsspec.exceptions import FSTimeoutError

from render.errors import OutputError, RenderError, SourceError
from render.files import write_atomically
from render.spec.url import SCHEMES, AnyPath, Url

ATTEMPTS = 8
FIRST_WAIT, LONGEST_WAIT = 0.25, 20.0
"""Seconds: a wait is drawn from 0 up to the first, doubled each time and never over the longest."""
PAGE = 1000
"""Names that are listed at once."""

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


@dataclass(frozen=True)
class Entry:
    """One name in a folder.

    Attributes:
        name: relative to the folder.
        size: bytes.
        stamp: text that changes when the content does.
    """

    name: str
    size: int
    stamp: str


class _RefusedError(Exception):
    """Object storage did not do it; the message says why. `absent`: because there is no such thing."""

    def __init__(self, message: str, *, absent: bool = False) -> None:
        self.absent = absent
        super().__init__(message)


def read(place: AnyPath) -> bytes:
    """The content of a file.

    Raises:
        SourceError: it is not there or cannot be read.
    """
    if isinstance(place, Path):
        try:
            return place.read_bytes()
        except OSError as error:
            raise SourceError(f"{place}: cannot be read: {error.strerror}") from error
    return _asked(place, SourceError, lambda system: bytes(system.cat_file(_inside(place))))


def write(place: AnyPath, data: bytes) -> None:
    """Write a file so that it is there whole or not at all; what was there is replaced.

    Raises:
        OutputError: it cannot be written.
    """
    if isinstance(place, Path):
        write_atomically(place, data)
    else:
        _asked(place, OutputError, lambda system: system.pipe_file(_inside(place), data))


def facts(place: AnyPath) -> Entry | None:
    """Name, size and stamp of a file; `None` if there is none.

    Raises:
        SourceError: that cannot be found out.
    """
    if isinstance(place, Path):
        if not place.is_file():
            return None
        found = place.stat()
        return Entry(place.name, found.st_size, str(found.st_mtime_ns))
    try:
        there = _patiently(place, lambda system: system.info(_inside(place)))
    except _RefusedError as error:
        if error.absent:
            return None
        raise SourceError(str(error)) from error
    if there["type"] != "file":
        return None
    stamp = next((there[key] for key in ("ETag", "generation", "created") if key in there), "")
    return Entry(place.name, int(there["size"]), str(stamp).strip('"'))


def listed(folder: Url, *, deep: bool = True) -> Iterator[Entry]:
    """Files in a folder in object storage, page by page, in the order of their names' bytes.

    Args:
        folder: what the names are relative to.
        deep: also those of its folders.

    Raises:
        SourceError: it cannot be listed. A folder that is not there is one without files.
    """
    pages = {"s3": _s3_pages, "gs": _gs_pages}.get(folder.scheme, _all_at_once)
    prefix = f"{folder.key}/" if folder.key else ""
    for found in pages(folder, prefix, deep):
        for key, length, stamp in found:
            if not key.endswith("/"):  # what some programs put in the place of a folder
                yield Entry(key.removeprefix(prefix), length, stamp)


def fetch(place: Url, path: Path) -> None:
    """Copy a file from object storage to a disk, whole or not at all.

    Raises:
        SourceError: it cannot be read.
        OutputError: the disk cannot hold it.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _asked(place, SourceError, lambda system: system.get_file(_inside(place), str(temporary)))
        there, here = facts(place), temporary.stat().st_size
        if there is None or there.size != here:
            raise SourceError(f"{place}: changed while it was read")
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


def send(path: Path, place: Url) -> None:
    """Copy a file from a disk to object storage, whole or not at all.

    Raises:
        OutputError: it cannot be written there.
    """
    _asked(place, OutputError, lambda system: system.put_file(str(path), _inside(place)))


def remove(place: AnyPath) -> None:
    """Delete a file, if it is there.

    Raises:
        OutputError: it cannot be deleted.
    """
    if isinstance(place, Path):
        place.unlink(missing_ok=True)
        return
    try:
        _patiently(place, lambda system: system.rm_file(_inside(place)))
    except _RefusedError as error:
        if not error.absent:
            raise OutputError(str(error)) from error


def working_folder(place: Url) -> Path:
    """Where on this machine's disk a folder in object storage is worked on."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "render" / f"{hashlib.sha256(place.encode()).hexdigest()[:16]}-{place.name}"


def _asked(place: Url, kind: type[RenderError], call: Callable[[Any], T]) -> T:
    try:
        return _patiently(place, call)
    except _RefusedError as error:
        raise kind(str(error)) from error


def _patiently(place: Url, call: Callable[[Any], T]) -> T:
    """Ask object storage, and again after a while where the trouble is one that passes.

    Raises:
        _RefusedError: it does not pass, or has not passed.
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
    raise _RefusedError(
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


def _refusal(place: Url, error: Exception) -> _RefusedError:
    """What a person has to know of an error that does not pass."""
    if isinstance(error, FileNotFoundError):
        return _RefusedError(f"{place}: not there ({_said(error)})", absent=True)
    if type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError"):
        return _RefusedError(
            f"{place}: no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            f"AWS_PROFILE, or give the machine a role"
        )
    if isinstance(error, PermissionError) or getattr(error, "code", None) in (401, 403):
        return _RefusedError(f"{place}: access is refused ({_said(error)})")
    return _RefusedError(f"{place}: {_said(error)}")


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
        raise _RefusedError(
            f"{scheme}:// needs a package: pip install 'render-nst[{SCHEMES[scheme]}]'"
        ) from error
    system.retries = 1  # s3fs' own, whose waits have no jitter
    return system


def _inside(place: Url) -> str:
    """Bucket and key, which no backend takes apart as a URL with `?` and `#` in it."""
    return (
        f"{place.bucket}/{place.key}"
        if place.scheme != "memory"
        else f"/{place.bucket}/{place.key}"
    )


Page = list[tuple[str, int, str]]
"""Key, size and stamp of each object."""


def _s3_pages(folder: Url, prefix: str, deep: bool) -> Iterator[Page]:
    more: dict[str, Any] = {} if deep else {"Delimiter": "/"}
    while True:
        asked = {"Bucket": folder.bucket, "Prefix": prefix, "MaxKeys": PAGE, **more}
        page = _asked(folder, SourceError, partial(_call, "call_s3", ["list_objects_v2"], asked))
        yield [(o["Key"], o["Size"], o["ETag"].strip('"')) for o in page.get("Contents", ())]
        if not page.get("IsTruncated"):
            return
        more["ContinuationToken"] = page["NextContinuationToken"]


def _gs_pages(folder: Url, prefix: str, deep: bool) -> Iterator[Page]:
    more: dict[str, Any] = {} if deep else {"delimiter": "/"}
    where = f"b/{folder.bucket}/o"
    while True:
        asked = {"prefix": prefix, "maxResults": PAGE, "json_out": True, **more}
        page = _asked(folder, SourceError, partial(_call, "call", ["GET", where], asked))
        yield [(o["name"], int(o["size"]), str(o["generation"])) for o in page.get("items", ())]
        if "nextPageToken" not in page:
            return
        more["pageToken"] = page["nextPageToken"]


def _call(
    method: str, words: Sequence[str], asked: Mapping[str, Any], system: AbstractFileSystem
) -> dict[str, Any]:
    """The backend's answer to a request of its own."""
    answer: dict[str, Any] = getattr(system, method)(*words, **asked)
    return answer


def _all_at_once(folder: Url, prefix: str, deep: bool) -> Iterator[Page]:
    """For backends that know no pages."""
    depth = None if deep else 1
    found = _asked(
        folder,
        SourceError,
        lambda s: s.find(_inside(folder), maxdepth=depth, detail=True),
    )
    start = len(_inside(folder).rstrip("/")) + 1
    stamped = (
        (prefix + name[start:], about["size"], str(about.get("created", "")))
        for name, about in found.items()
    )
    yield sorted(stamped)
