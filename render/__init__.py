"""Distributed neural style transfer for videos and large image sets.

The Python API: `load_job` reads a job file, `make_plan` says what would be rendered, `run` renders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from render.inputs import make_plan
    from render.spec.load import load_job
    from render.study import run

__all__ = ["load_job", "make_plan", "run"]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Load the API on first use: Ray and torch take seconds, and checking a job needs neither."""
    if name == "load_job":
        from render.spec.load import load_job  # noqa: PLC0415

        return load_job
    if name == "make_plan":
        from render.inputs import make_plan  # noqa: PLC0415

        return make_plan
    if name == "run":
        from render.study import run  # noqa: PLC0415

        return run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
