"""Who reads and writes the pictures of a job: the driver, or the workers themselves."""

from __future__ import annotations

from dataclasses import dataclass

from render import storage
from render.spec.job import Job
from render.spec.url import AnyPath, Url


@dataclass(frozen=True)
class PlaceKeeper:
    """Writes finished files where they are made; see `Keeper`.

    Attributes:
        folder: that of the job's results.
    """

    folder: AnyPath

    def keep(self, name: str, data: bytes) -> None:
        """Write a file of this name below the folder.

        Raises:
            OutputError: it cannot be written.
        """
        storage.write(self.folder / name, data)


def direct(job: Job, place: AnyPath) -> bool:
    """Whether workers use a place themselves."""
    transfer = job.farm.transfer
    return transfer == "direct" or (transfer == "auto" and isinstance(place, Url))


def keeper_of(job: Job) -> PlaceKeeper | None:
    """What keeps finished pictures on the workers' side; `None`: the driver writes them."""
    return PlaceKeeper(job.output.path) if direct(job, job.output.path) else None
