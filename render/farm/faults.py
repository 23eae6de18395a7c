"""What Ray's errors mean."""

from __future__ import annotations

import re
import time

import ray
from ray.exceptions import (
    ActorUnavailableError,
    GetTimeoutError,
    RayActorError,
    RayError,
    RayTaskError,
)

from render.errors import FarmError, RenderError

_NODE_DIED = "node has died"
_PATIENCE = 40.0
"""Seconds after which Ray knows whether it was the worker or its node that died."""


def cause_of_death(actor: ray.actor.ActorHandle, error: RayActorError) -> RayActorError:
    """The error that says what a worker died of, once Ray knows; until then it is "unavailable"."""
    deadline = time.monotonic() + _PATIENCE
    while isinstance(error, ActorUnavailableError) and time.monotonic() < deadline:
        try:
            ray.get(actor.__ray_ready__.remote(), timeout=1)
            break
        except GetTimeoutError:
            continue
        except RayActorError as later:
            error = later
            time.sleep(0.1)
    return error


def own_error(error: RayTaskError) -> Exception:
    """The error of ours that a worker raised, or one that tells of it."""
    cause = error.cause
    return cause if isinstance(cause, RenderError) else FarmError(f"a worker failed: {told(error)}")


def told(error: RayTaskError) -> str:
    """What a worker's error says, without the name of a class that is ours."""
    cause = error.cause
    text = str(cause).strip() or "no message"
    return text if isinstance(cause, RenderError) else f"{type(cause).__name__}: {text}"


def first_line(error: RayError) -> str:
    """What Ray says of an error, in one line without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().splitlines()[0]


def took_its_node(reason: str) -> bool:
    """Whether a worker died with its node, in Ray's words: its list of nodes may not know it yet."""
    return _NODE_DIED in reason
