"""Frame ranges as people write them: `0-119x2` is 0, 2, 4, ... 118."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

_FORM = re.compile(
    r"(?P<only>[0-9]{1,9})"
    r"|(?P<first>[0-9]{1,9})?-(?P<last>[0-9]{1,9})?(?:x(?P<stride>[1-9][0-9]{0,8}))?"
)
_ALLOWED = "a range such as 0-119, 24-, 0-119x2 (every second frame), or one number"


def _parse(text: str) -> tuple[int, int | None, int]:
    """First index, last index (`None`: to the end) and stride."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise PydanticCustomError("range", "not a range", {"allowed": _ALLOWED})
    if match["only"]:
        return int(match["only"]), int(match["only"]), 1
    first = int(match["first"] or 0)
    last = int(match["last"]) if match["last"] else None
    if last is not None and last < first:
        raise PydanticCustomError("range", "ends before it starts", {"allowed": _ALLOWED})
    return first, last, int(match["stride"] or 1)


def _checked(value: object) -> object:
    """The text of a range; YAML reads a range of one frame, such as `5`, as a number."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise PydanticCustomError("range", "not a range", {"allowed": _ALLOWED})
    text = str(value).strip()
    _parse(text)
    return text


FrameRange = Annotated[
    str,
    BeforeValidator(_checked),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "string",
                    "pattern": r"^\s*([0-9]{1,9}|[0-9]{0,9}-[0-9]{0,9}(x[1-9][0-9]{0,8})?)\s*$",
                },
                {"type": "integer"},
            ]
        }
    ),
]
"""Text of a range of frames: `FIRST-LAST`, both included and either left out for the first or last
frame that there is, with `xSTRIDE` after it to take every STRIDE-th; or one number."""


def select_frames(text: str | None, count: int) -> range:
    """The indices that `text` names among `count` frames; all of them if it is `None`.

    Raises:
        IndexError: the range begins or ends outside the frames that there are.
    """
    if text is None:
        return range(count)
    first, last, stride = _parse(text)
    if first >= count or (last is not None and last >= count):
        there_are = f"the frames are 0-{count - 1}" if count else "there are no frames"
        raise IndexError(f"frames {text} asked for, but {there_are}")
    return range(first, count if last is None else last + 1, stride)
