"""Addresses in object storage, for every place where a job may also name a path."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from render.errors import OutputError

SCHEMES = {"s3": "s3", "gs": "gcs", "memory": None}
"""Schemes of URLs, and the extra that brings what they need."""


class Url(str):
    """An address such as `s3://bucket/folder/name.png`, with the manners of a path."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, _: object, __: GetCoreSchemaHandler) -> CoreSchema:
        """Strict: text becomes a URL where paths are resolved, and nowhere else."""
        return core_schema.is_instance_schema(cls, serialization=core_schema.to_string_ser_schema())

    @property
    def scheme(self) -> str:
        """`s3` of `s3://bucket/key`."""
        return self.partition("://")[0]

    @property
    def bucket(self) -> str:
        """`bucket` of `s3://bucket/key`."""
        return self.partition("://")[2].partition("/")[0]

    @property
    def key(self) -> str:
        """`key` of `s3://bucket/key`; empty for the bucket itself."""
        return self.partition("://")[2].partition("/")[2]

    @property
    def name(self) -> str:
        """The last part; empty for the bucket itself."""
        return PurePosixPath(self.key).name

    @property
    def stem(self) -> str:
        """The last part without its extension."""
        return PurePosixPath(self.key).stem

    @property
    def suffix(self) -> str:
        """Extension of the last part, with its dot."""
        return PurePosixPath(self.key).suffix

    @property
    def parent(self) -> Url:
        """The folder that it is in; a bucket is its own."""
        return self._with_key(self.key.rpartition("/")[0])

    def with_name(self, name: str) -> Url:
        """The same with another last part."""
        return self.parent / name

    def with_suffix(self, suffix: str) -> Url:
        """The same with another extension."""
        return self.with_name(self.stem + suffix)

    def __truediv__(self, name: object) -> Url:
        key = f"{self.key}/{name}" if self.key else str(name)
        return self._with_key(key)

    def _with_key(self, key: str) -> Url:
        return Url(f"{self.scheme}://{self.bucket}" + (f"/{key}" if key else ""))


AnyPath = Path | Url
"""On a disk, or in object storage."""


def beside(path: AnyPath, ending: str, *, folder: bool) -> AnyPath:
    """The neighbour of a result that is named after it.

    Args:
        path: of the result.
        ending: of the neighbour's name, such as `.render`. It replaces that of a file; behind a dot in
            the name of a folder stands what tells it from others, as in `v1.2`.
        folder: whether the result is a folder.

    Raises:
        OutputError: it has no name.
    """
    if isinstance(path, Path) and not path.name:
        raise OutputError(f"output.path: {path} has no name; name a file or a folder in it")
    return path.with_name(path.name + ending) if folder else path.with_suffix(ending)


def inside(folder: AnyPath, name: str) -> AnyPath:
    """What a name in a folder stands for; a URL stands for itself."""
    return read_url(name) if is_url(name) else folder / name


def is_url(text: str) -> bool:
    """Whether a text that names a file is a URL; a path may hold colons, but not `://` behind a name."""
    scheme, found, _ = text.partition("://")
    return bool(found) and scheme.isidentifier()


def read_url(text: str) -> AnyPath:
    """The address that a text names; `file:///a/b` is the path `/a/b`.

    Raises:
        ValueError: it is none that can be used; the message says why.
    """
    scheme, _, rest = text.partition("://")
    if scheme == "file":
        host, slash, path = rest.partition("/")
        if host not in ("", "localhost") or not slash:
            raise ValueError("a path of another machine")
        return Path("/" + unquote(path))
    if scheme not in SCHEMES:
        raise ValueError("no such kind of URL")
    bucket, _, key = rest.partition("/")
    parts = key.rstrip("/").split("/") if key.rstrip("/") else []
    if not bucket or "@" in bucket or ":" in bucket:
        raise ValueError("a bucket's name belongs behind `://`, and no user or password")
    if "" in parts or "." in parts or ".." in parts:
        raise ValueError("empty parts, `.` and `..` mean nothing there")
    return Url("/".join([f"{scheme}://{bucket}", *parts]))
