"""What was learnt of frames in their stages: a file each, until the next stage is done."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path

from render.files import digest, intact, write_atomically
from render.ledger import Record

KEY = "curvature"
"""In a record's `info`: the digest of what belongs to it."""


class Learnt:
    """The files.

    Args:
        folder: where they lie.
        stages: of each frame; after the last nothing is kept.
    """

    def __init__(self, folder: Path, stages: int) -> None:
        self._folder = folder
        self._stages = stages

    def keep(self, frame: int, stage: int, data: bytes) -> dict[str, str]:
        """Make a file durable.

        Returns:
            What the record of that stage must say of it.
        """
        write_atomically(self.path(frame, stage), data)
        return {KEY: digest(data)}

    def read(self, record: Record) -> bytes | None:
        """What belongs to the record of a stage, if anything does.

        Raises:
            OSError: it is gone, or is not what was kept.
        """
        if KEY not in record.info or record.stage is None:
            return None
        path = self.path(record.frame, record.stage)
        if (data := intact(path, record.info[KEY])) is None:
            raise OSError(f"{path} is damaged")
        return data

    def below(self, frame: int, stage: int | None) -> Path:
        """Whom nobody needs once a stage is committed; `None`: the finished frame."""
        return self.path(frame, (self._stages - 1 if stage is None else stage) - 1)

    def path(self, frame: int, stage: int) -> Path:
        """Of the file of a frame's stage."""
        return self._folder / f"{frame:06}.{stage}.curvature"

    def wanting(
        self, stages: Mapping[tuple[int, int], Record], finished: Container[int]
    ) -> set[tuple[int, int]]:
        """Of committed stages those whose next one must be painted, but not without what is gone."""
        gone: set[tuple[int, int]] = set()
        for frame, stage in sorted(stages, reverse=True):
            above = frame, stage + 1
            done = above in stages and above not in gone
            if stage == self._stages - 2:
                done = frame in finished
            try:
                if not done:
                    self.read(stages[frame, stage])
            except OSError:
                gone.add((frame, stage))
        return gone
