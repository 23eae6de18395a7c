"""Every error that `render` raises on purpose.

    RenderError
    ├── JobError       the job file or an override is wrong (one or more problems)
    ├── SourceError    an input cannot be opened or is not what it should be
    ├── WeightsError   the model's weights cannot be had or do not fit
    ├── EngineError    a setting or a tensor that the optimiser cannot work with
    ├── OutputError    the output cannot be written, is in use, or holds another job
    └── FarmError      Ray cannot be started or joined, or has not what the job asks for

Messages are for the person at the terminal: what was found, where, and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class RenderError(Exception):
    """Base of all errors of this package."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a job.

    Attributes:
        where: `FILE:LINE:COLUMN` in the job file, or the override as typed.
        key: dotted key, such as `style.images.0.path`; empty for the whole file.
        found: what stands there, as text.
        allowed: what may stand there.
    """

    where: str
    key: str
    found: str
    allowed: str

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        return f"{self.where}: {key}found {self.found}; allowed: {self.allowed}"


class JobError(RenderError):
    """The job is wrong; `problems` holds everything that was found, one line each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[JobError], tuple[tuple[Problem, ...]]]:
        return (type(self), (self.problems,))


class SourceError(RenderError):
    """An input cannot be opened or read, or is not what it should be."""


class WeightsError(RenderError):
    """The model's weights cannot be had, or do not fit the architecture."""


class EngineError(RenderError):
    """A setting or a tensor that the optimiser cannot work with."""


class OutputError(RenderError):
    """The output cannot be written, is in use by another run, or holds another job."""


class FarmError(RenderError):
    """Ray cannot be started or joined, or has not what the job asks for."""
