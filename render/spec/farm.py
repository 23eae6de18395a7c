"""Who does the work: workers, what they get, and what they may fail at."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PositiveInt

from render.spec.base import Model

_LIMIT = r"^([0-9]{1,9}|[0-9]{1,2}(\.[0-9]+)?%|100%)$"


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class Farm(Model):
    """Who does the work. Nothing here changes a pixel, except `cpus_per_worker` (by rounding)."""

    workers: PositiveInt | Literal["auto"] = "auto"
    """Number of workers; `auto`: one for each GPU, or on machines without one for each CPU share."""
    gpus_per_worker: Annotated[float, Field(ge=0, le=16)] | Literal["auto"] = "auto"
    """GPUs of a worker; `auto`: 1 where the cluster has any, else 0."""
    cpus_per_worker: PositiveInt = 1
    """CPUs of a worker, and the threads that it computes with."""
    retries: Annotated[int, Field(ge=0, le=100)] = 2
    """How often a frame is tried again after a fault of its own: an error, or a worker that died of
    it. Nodes that are lost are not its fault."""
    losses: Annotated[int, Field(ge=0, le=10_000)] = 20
    """How many workers may die in a row, without one answer in between, before the run gives up."""
    timeout: Annotated[float, Field(gt=0)] = 3600.0
    """Seconds that a worker may be silent over a frame before it is taken for hung and replaced."""
    max_failed: Annotated[str, BeforeValidator(_as_text), Field(pattern=_LIMIT)] | None = None
    """Stop once more frames than this have failed: a number, or a share such as `5%`. Empty: never;
    the rest is finished."""
    in_flight: Annotated[int, Field(ge=1, le=64)] = 2
    """Frames, or batches of small pictures, that may wait at a worker, those being painted included. It
    is never more in all than a quarter of the object store of the driver's node holds."""
    transfer: Literal["auto", "driver", "direct"] = "auto"
    """Who reads and writes the pictures of a job. `driver`: the driver alone; they travel through Ray,
    and the cluster needs no common disk. `direct`: each worker its own, on a common disk or at a URL;
    only digests come back. `auto`: the workers what is at a URL, the driver what is on a disk. Videos
    always pass through the driver."""
    address: str | None = None
    """Ray cluster to join; empty: the one that the program runs on, else a local one of its own."""
