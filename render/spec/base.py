"""What all models of the job file have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from render.spec.url import AnyPath, is_url, read_url

LONGEST_NAME = 255
"""Bytes of a file's name, on every usual file system."""


class Model(BaseModel):
    """A part of the job file: immutable, no key but its own, no value of another type.

    Strict, because YAML has types: `"300"` is text and `true` is no number.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _lists_as_tuples(cls, data: object) -> object:
        """YAML has lists only; models hold tuples, which strict validation keeps apart."""
        if not isinstance(data, dict):
            return data
        return {
            key: tuple(value) if isinstance(value, list) else value for key, value in data.items()
        }


class CommandLineText(str):
    """Text that was typed on the command line: a path in it is relative to the current folder."""

    __slots__ = ()


class PlacedText(str):
    """Text of another file than the job's own: a path in it is relative to that file's folder."""

    folder: Path

    def __new__(cls, text: str, folder: Path) -> PlacedText:
        """Text that remembers its folder."""
        made = super().__new__(cls, text)
        made.folder = folder
        return made

    def __getnewargs__(self) -> tuple[str, Path]:  # type: ignore[override] # as its __new__ takes
        """What copies and pickles are made with."""
        return str(self), self.folder


def placed_text(value: object, folder: Path) -> object:
    """The value with all its text remembering the folder, unless it has a place already."""
    match value:
        case PlacedText() | CommandLineText():
            return value
        case str():
            return PlacedText(value, folder)
        case list():
            return [placed_text(item, folder) for item in value]
        case tuple():
            return tuple(placed_text(item, folder) for item in value)
        case dict():
            return {key: placed_text(item, folder) for key, item in value.items()}
    return value


def _resolve(value: object, info: ValidationInfo) -> object:
    """Make a path absolute, from the job file's folder (`context["folder"]`) or the current one."""
    if not isinstance(value, str | Path):
        return value
    if is_url(str(value)):
        raise PydanticCustomError("path", "a URL", {"allowed": "a path on the machine's own disk"})
    if value == "" or "\0" in str(value):
        raise PydanticCustomError("path", "not a path", {"allowed": "a path"})
    folder = Path.cwd()
    if isinstance(value, PlacedText):
        folder = value.folder
    elif info.context and not isinstance(value, CommandLineText):
        folder = info.context["folder"]
    try:
        path = folder / Path(value).expanduser()
    except RuntimeError:
        raise PydanticCustomError("path", "no such home folder", {"allowed": "a path"}) from None
    if any(len(part.encode(errors="surrogatepass")) > LONGEST_NAME for part in path.parts):
        allowed = f"a path, of names of at most {LONGEST_NAME} bytes"
        raise PydanticCustomError("path", "too long a name", {"allowed": allowed})
    return _without_dots(path)


def _without_dots(path: Path) -> Path:
    """Work out `..`, following links as the system would; the last name stays, link or not."""
    if ".." not in path.parts:
        return path
    try:
        return path.resolve() if path.name == ".." else path.parent.resolve() / path.name
    except (OSError, RuntimeError):  # links that run in a circle: opening it will say so
        return path


def _resolve_any(value: object, info: ValidationInfo) -> object:
    """Make a path absolute, or read a URL."""
    if not isinstance(value, str) or not is_url(value):
        return _resolve(value, info)
    try:
        return read_url(value)
    except ValueError as error:
        raise PydanticCustomError("path", str(error), {"allowed": _URLS}) from None


_URLS = "a path, or a URL such as s3://bucket/folder, gs://bucket/folder or file:///folder"

JobPath = Annotated[Path, BeforeValidator(_resolve, json_schema_input_type=Path)]
"""A path in a job file: absolute, or relative to the job file's own folder."""

AnyJobPath = Annotated[AnyPath, BeforeValidator(_resolve_any, json_schema_input_type=Path)]
"""Likewise, or a URL in object storage."""
