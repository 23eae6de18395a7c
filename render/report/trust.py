"""What notes beside the frames must hold to be told in a report: others may have written them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from render.errors import OutputError

Seconds = Annotated[float, Field(ge=-1e12, le=1e12)]


class Compared(BaseModel, strict=True):
    """How far a frame is from one before it."""

    error: float
    floor: float


class Step(BaseModel, strict=True):
    """What the ledger knows of the making of a picture."""

    seconds: Seconds = 0.0
    evaluations: Annotated[int, Field(ge=0, le=10**12)] = 0
    worker: str = ""
    at: Seconds = 0.0
    loss: dict[str, float] = {}
    trace: list[Annotated[list[float], Field(min_length=2, max_length=2)]] = []
    warping: Compared | None = None


class _Failed(BaseModel, strict=True):
    frame: int
    reason: str


class Ending(BaseModel, strict=True):
    """`summary.json`."""

    status: str = ""
    error: str = ""
    seconds: Seconds = 0.0
    frames_failed: list[_Failed] = []


class _Measured(BaseModel, strict=True):
    frame: int
    back: dict[str, Compared]


class Measurements(BaseModel, strict=True):
    """`metrics.json`."""

    per_frame: list[_Measured] = []


def check(kind: type[BaseModel], data: object, path: Path, place: str = "") -> None:
    """Refuse data that is not what this program writes.

    Args:
        kind: what it should be.
        data: what was read.
        path: of the file.
        place: where in the file, if it is of many.

    Raises:
        OutputError: with the first thing that is wrong.
    """
    try:
        kind.model_validate(data)
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        where = f"{place}: " if place else ""
        key = ".".join(map(str, wrong["loc"]))
        raise OutputError(
            f"{path}: {where}{key}: {wrong['msg']}; it is damaged or was changed by somebody: take that "
            "out of it, and write the report again"
        ) from None
