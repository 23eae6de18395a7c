"""The report of a job that is running: rewritten every few seconds, and once more at the end."""

from __future__ import annotations

import hashlib
import json
import logging
import platform
from contextlib import suppress
from pathlib import Path

from render.files import write_atomically
from render.media.images import ImageSource
from render.media.source import MovingSource
from render.report.pace import Pace
from render.report.page import write_report
from render.report.pictures import Gallery
from render.spec.job import Job
from render.versions import versions
from render.weights import fetch_weights

log = logging.getLogger(__name__)


class LiveReport:
    """Writes `report.html` at most every `every` seconds of one run.

    Args:
        folder: of the job's store, which holds its plan.
        source: the job's input, for the originals.
        every: seconds; a page that takes long to make is made less often.
    """

    def __init__(
        self, folder: Path, source: ImageSource | MovingSource, every: float = 5.0
    ) -> None:
        self.failures: dict[int, str] = {}
        self._folder = folder
        self._gallery = Gallery(source)
        self._pace = Pace(every)

    def update(self) -> None:
        """Write the page again, if it is time to."""
        self._pace.update(lambda: self._write(live=True))

    def finish(self) -> None:
        """Write the final page; if that cannot be, none is left that would wait for more for ever."""
        if not self._write(live=False):
            with suppress(OSError):
                (self._folder / "report.html").unlink()

    def _write(self, *, live: bool) -> bool:
        """Write the page, and whether it was; what it cannot show is no reason to end a run."""
        try:
            write_report(self._folder, live=live, gallery=self._gallery, failures=self.failures)
        except Exception as error:
            log.warning("the report cannot be written: %s", error)
            return False
        return True


def keep_versions(folder: Path, job: Job) -> None:
    """Write `versions.json`: what a run is made with, and the hash of its weights."""
    found = {**versions(), "system": platform.platform()}
    weights = fetch_weights(job.model) if job.engine == "vgg" else None
    if weights is not None:
        with weights.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        found["weights"] = f"{weights.name}, SHA-256 {digest}"
    elif job.engine == "vgg":
        found["weights"] = f"procedural {job.model.arch}"
    write_atomically(folder / "versions.json", json.dumps(found, indent=2).encode())
