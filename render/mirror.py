"""The store of a job whose output is in object storage: a folder on this disk, and its image there.

Work goes on in the folder, and all that a run elsewhere needs is in the image, so that a job needs
nothing but its output and its job file to go on, on another machine too. The image is the truth: a
folder that an earlier run left here is made like it before anything else. Object storage knows no
appending, so that the ledger's lines go there in pieces of one run each, written anew until full.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from render import storage
from render.errors import OutputError
from render.ledger import Record, write_record
from render.media.manifest import Manifest
from render.places import store_place
from render.plan import Plan
from render.spec.job import Job
from render.spec.url import Url
from render.store import LIST, PREVIEWS, Store

PIECE = 64 * 1024
"""Bytes of a piece of the ledger, about."""
AT_ONCE = 16
"""Files that are copied at once."""
_LEDGER = "ledger/frames.jsonl"
_OWN = ("lock", PREVIEWS)
"""What is of this machine alone."""


def open_store(job: Job, *, fresh: bool = False) -> Store:
    """The output of a job, wherever it is; see `Store`."""
    place = store_place(job)
    return (
        MirroredStore(job, place, fresh=fresh)
        if isinstance(place, Url)
        else Store(job, fresh=fresh)
    )


class MirroredStore(Store):
    """A store in a folder on this disk, of which object storage keeps an image.

    Its lock holds off other runs on this machine. Two machines that render one output at once do the
    same work twice, but neither harms the other: both write the same bytes, and their own records.

    Args:
        job: whose output this is.
        image: where it is kept.
        fresh: throw away what is there and start over.

    Raises:
        SourceError: the image cannot be read.
        OutputError: as `Store`.
    """

    def __init__(self, job: Job, image: Url, *, fresh: bool = False) -> None:
        self._image = image
        self._run = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(4)}"
        self._pieces = 0
        self._piece = b""
        super().__init__(job, fresh=fresh)
        if not (self.folder / "plan.json").exists():  # it was for other settings
            storage.remove(image / "plan.json")
        self._send("job.yaml")

    def __exit__(self, *error: object) -> None:
        """Send what was written beside the frames: summary, report, versions."""
        super().__exit__(*error)
        try:
            for path in self.folder.iterdir():
                if path.is_file() and path.name not in _OWN:
                    self._send(path.name)
        except OutputError:
            if error[0] is None:
                raise

    def keep_plan(self, plan: Plan) -> None:
        """Write the plan down for later runs."""
        super().keep_plan(plan)
        self._send("plan.json")

    def commit(
        self,
        frame: int,
        file: str,
        data: bytes,
        info: Mapping[str, Any],
        *,
        stage: int | None = None,
        curvature: bytes | None = None,
    ) -> Record:
        """Make a frame durable, here and there: first the files, then their line in the ledger."""
        below = self._learnt.below(frame, stage)
        used = below.is_file()
        record = super().commit(frame, file, data, info, stage=stage, curvature=curvature)
        if stage is not None and curvature is not None:
            self._send(self._name(self._learnt.path(frame, stage)))
        self._send(file)
        self._send_lines([record])
        if used:
            storage.remove(self._image / self._name(below))
        return record

    def record(self, records: Sequence[Record]) -> None:
        """Write down pictures that are whole under their names, here and there."""
        super().record(records)
        self._send_lines(records)

    def keep_list(self, pictures: Manifest) -> None:
        """Write the list of a job's pictures down for later runs."""
        super().keep_list(pictures)
        names = [f"{LIST}/{path.name}" for path in (self.folder / LIST).iterdir()]
        whole = f"{LIST}/index.json"
        _each((name for name in names if name != whole), self._send)
        self._send(whole)

    def _send_lines(self, records: Sequence[Record]) -> None:
        if len(self._piece) >= PIECE:
            self._pieces += 1
            self._piece = b""
        self._piece += b"".join(map(write_record, records))
        name = f"ledger/{self._run}-{self._pieces:06}.jsonl"
        storage.write(self._image / name, self._piece)

    def drop_stages(self) -> None:
        """Delete the pictures between stages, once nothing can need them."""
        super().drop_stages()
        self._remove(self._image / "stages")

    def _clear(self) -> None:
        super()._clear()
        self._remove(self._image)

    def _take_over(self) -> None:
        """Make the folder like the image."""
        there = {entry.name: entry.size for entry in storage.listed(self._image)}
        for path in [path for path in self.folder.rglob("*") if path.is_file()]:
            name = self._name(path)
            if name not in there and name.split("/")[0] not in _OWN:
                path.unlink()
        pieces = sorted(name for name in there if name.startswith("ledger/"))
        # A frame never changes under its name, and its digest is in the ledger; all else may change.
        missing = [
            name
            for name, size in there.items()
            if "/" not in name or (name not in pieces and self._size(name) != size)
        ]
        _each(missing, lambda name: storage.fetch(self._image / name, self.folder / name))
        path = self.folder / _LEDGER
        path.parent.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(AT_ONCE) as pool, path.open("wb") as file:
            for data in pool.map(lambda name: storage.read(self._image / name), pieces):
                file.write(data)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _size(self, name: str) -> int | None:
        path = self.folder / name
        return path.stat().st_size if path.is_file() else None

    def _send(self, name: str) -> None:
        storage.write(self._image / name, (self.folder / name).read_bytes())

    def _remove(self, place: Url) -> None:
        names = [entry.name for entry in storage.listed(place)]
        _each(names, lambda name: storage.remove(place / name))


def _each(names: Iterable[str], do: Callable[[str], None]) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(do, names):
            pass
