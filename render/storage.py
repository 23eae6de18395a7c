"""Files wherever they are: on this machine's disks, or in object storage through fsspec.

A `PUT` is there whole or not at all, and so is a file on a disk (see `files`), so no half of anything is
ever seen under its name. `remote` waits out what passes.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fsspec import AbstractFileSystem

from render.errors import OutputError, SourceError
from render.files import is_inside, write_atomically
from render.remote import RefusedError, asked, inside, patiently
from render.spec.url import AnyPath, Url

PAGE = 1000
"""Names that are listed at once."""


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
    return asked(place, SourceError, lambda system: bytes(system.cat_file(inside(place))))


def write(place: AnyPath, data: bytes) -> None:
    """Write a file so that it is there whole or not at all; what was there is replaced.

    Raises:
        OutputError: it cannot be written.
    """
    if isinstance(place, Path):
        write_atomically(place, data)
    else:
        asked(place, OutputError, lambda system: system.pipe_file(inside(place), data))


def facts(place: AnyPath) -> Entry | None:
    """Name, size and stamp of a file; `None` if there is none.

    Raises:
        SourceError: that cannot be found out.
    """
    if isinstance(place, Path):
        try:
            found = place.stat()
        except (FileNotFoundError, NotADirectoryError, ValueError):  # or no name of a file
            return None
        except OSError as error:
            raise SourceError(f"{place}: cannot be read: {error.strerror}") from error
        if not stat.S_ISREG(found.st_mode):
            return None
        return Entry(place.name, found.st_size, str(found.st_mtime_ns))
    try:
        there = patiently(place, lambda system: system.info(inside(place)))
    except RefusedError as error:
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

    Left aside are names that no file below a folder on a disk can have, such as `../a` and `/a`: there
    they would lead elsewhere. Some programs put one that ends with `/` in the place of a folder.

    Raises:
        SourceError: it cannot be listed. A folder that is not there is one without files.
    """
    pages = {"s3": _s3_pages, "gs": _gs_pages}.get(folder.scheme, _all_at_once)
    prefix = f"{folder.key}/" if folder.key else ""
    for found in pages(folder, prefix, deep):
        for key, length, stamp in found:
            if is_inside(name := key.removeprefix(prefix)):
                yield Entry(name, length, stamp)


def fetch(place: Url, path: Path) -> None:
    """Copy a file from object storage to a disk, whole or not at all.

    Raises:
        SourceError: it cannot be read.
        OutputError: the disk cannot hold it.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        asked(place, SourceError, lambda system: system.get_file(inside(place), str(temporary)))
        there, here = facts(place), temporary.stat().st_size
        if there is None or there.size != here:
            raise SourceError(f"{place}: changed while it was read")
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def send(path: Path, place: Url) -> None:
    """Copy a file from a disk to object storage, whole or not at all.

    Raises:
        OutputError: it cannot be written there.
    """
    asked(place, OutputError, lambda system: system.put_file(str(path), inside(place)))


def remove(place: AnyPath) -> None:
    """Delete a file, if it is there.

    Raises:
        OutputError: it cannot be deleted.
    """
    if isinstance(place, Path):
        try:
            place.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{place}: cannot be deleted: {error.strerror}") from error
        return
    try:
        patiently(place, lambda system: system.rm_file(inside(place)))
    except RefusedError as error:
        if not error.absent:
            raise OutputError(str(error)) from error


def working_folder(place: Url) -> Path:
    """Where on this machine's disk a folder in object storage is worked on."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "render" / f"{hashlib.sha256(place.encode()).hexdigest()[:16]}-{place.name}"


Page = list[tuple[str, int, str]]
"""Key, size and stamp of each object."""


def _s3_pages(folder: Url, prefix: str, deep: bool) -> Iterator[Page]:
    more: dict[str, Any] = {} if deep else {"Delimiter": "/"}
    while True:
        wanted = {"Bucket": folder.bucket, "Prefix": prefix, "MaxKeys": PAGE, **more}
        page = asked(folder, SourceError, partial(_call, "call_s3", ["list_objects_v2"], wanted))
        yield [(o["Key"], o["Size"], o["ETag"].strip('"')) for o in page.get("Contents", ())]
        if not page.get("IsTruncated"):
            return
        more["ContinuationToken"] = page["NextContinuationToken"]


def _gs_pages(folder: Url, prefix: str, deep: bool) -> Iterator[Page]:
    more: dict[str, Any] = {} if deep else {"delimiter": "/"}
    where = f"b/{folder.bucket}/o"
    while True:
        wanted = {"prefix": prefix, "maxResults": PAGE, "json_out": True, **more}
        page = asked(folder, SourceError, partial(_call, "call", ["GET", where], wanted))
        yield [(o["name"], int(o["size"]), str(o["generation"])) for o in page.get("items", ())]
        if "nextPageToken" not in page:
            return
        more["pageToken"] = page["nextPageToken"]


def _call(
    method: str, words: Sequence[str], wanted: Mapping[str, Any], system: AbstractFileSystem
) -> dict[str, Any]:
    """The backend's answer to a request of its own."""
    answer: dict[str, Any] = getattr(system, method)(*words, **wanted)
    return answer


def _all_at_once(folder: Url, prefix: str, deep: bool) -> Iterator[Page]:
    """For backends that know no pages."""
    depth = None if deep else 1
    found = asked(
        folder,
        SourceError,
        lambda s: s.find(inside(folder), maxdepth=depth, detail=True),
    )
    start = len(inside(folder).rstrip("/")) + 1
    stamped = (
        (prefix + name[start:], about["size"], str(about.get("created", "")))
        for name, about in found.items()
    )
    yield sorted(stamped)
