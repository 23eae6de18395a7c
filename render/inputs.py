"""Everything that a job reads: opened before any work, and held against what an earlier run read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from render import storage
from render.errors import SourceError
from render.materials import (
    Materials,
    mask_fingerprints,
    mask_piece,
    named_files,
    read_materials,
)
from render.media.encode import check_output
from render.media.images import ImageSource
from render.media.manifest import Manifest
from render.media.names import check_output_names
from render.media.source import MovingSource, open_source
from render.places import store_folder, store_place
from render.plan import Plan
from render.planner import plan_units
from render.spec.job import Job
from render.spec.media import VideoInput
from render.spec.url import AnyPath
from render.store import LIST, Store
from render.weights import weights_digests

MOST_NAMED = 10
FEW = 5000
"""Pictures up to which every run looks at all files, those that are read and those that are finished; of
more only when it is asked to."""
DATES = "dates of input.path"
"""Of pictures, whose fingerprint is only of their names and sizes."""


@dataclass(frozen=True)
class Prepared:
    """Everything that a job reads, opened.

    Attributes:
        source: the input.
        materials: the style pictures, and others that the job names.
        masks: fingerprints of the frames' masks, by key.
        notes: what a person should know before it starts, one sentence each.
    """

    source: ImageSource | MovingSource
    materials: Materials
    masks: Mapping[str, str]
    notes: tuple[str, ...]

    def fingerprints(self) -> dict[str, str]:
        """Hexadecimal texts that change when what is read does, by the keys that name it."""
        found = self.source.fingerprint()
        return {
            "input.path": found.content,
            **({} if found.dates is None else {DATES: found.dates}),
            **self.materials.fingerprints(),
            **self.masks,
        }


def prepare(job: Job, *, look: bool = True, study: AnyPath | None = None) -> Prepared:
    """Open everything that the job reads, so that what is missing is found before any work.

    But for the pictures and masks of single frames: one that cannot be read costs its frame, which is
    finished once it can be; see `settled_plan`.

    Args:
        job: whose inputs they are.
        look: look for the pictures of a job, even where an earlier run has written down so many that
            looking takes long.
        study: of a cell, the folder of its study, of which nothing is an input.

    Raises:
        SourceError: the input or another picture that all frames need cannot be read.
        OutputError: the output cannot have the form that the job asks for.
        WeightsError: the model's weights cannot be had.
    """
    kept = None if look else _kept_list(job)
    source = open_source(job.input, job.output, kept=kept, apart=study)
    if isinstance(source, ImageSource):
        if kept is None:
            check_output_names(source, job.output, named_files(job, source.frames))
        notes: tuple[str, ...] = ()
    else:
        named = named_files(job, source.frames)
        notes = (*source.notes, *check_output(job.output.path, job.output, source, named))
    materials = replace(read_materials(job), weights=weights_digests(job))
    return Prepared(source, materials, mask_fingerprints(job, source.frames), notes)


def are_few(pictures: int) -> bool:
    """Whether every run looks at the files of so many pictures."""
    return pictures <= FEW


def _kept_list(job: Job) -> Path | None:
    """The list of pictures that an earlier run of a large job wrote down, if there is one.

    It counts with the plan alone, which is written after it; and where the output is in object storage,
    only if it is the one that is there, as what lies here will be made like that.
    """
    folder, place = store_folder(job) / LIST, store_place(job)
    index = folder / "index.json"
    if isinstance(job.input, VideoInput) or not index.is_file():
        return None
    if any(storage.facts(one) is None for one in (place / LIST / index.name, place / "plan.json")):
        return None
    if storage.read(place / LIST / index.name) != index.read_bytes():
        return None
    kept = Manifest(folder)
    about = {"path": str(job.input.path), "pattern": job.input.pattern}
    if are_few(len(kept)) or {**kept.about, **about} != kept.about:
        return None
    return folder


def make_plan(job: Job) -> Plan:
    """What `run` would render: shots and units. Reads the source, renders nothing.

    Raises:
        RenderError: something that the job reads is missing or wrong.
    """
    prepared = prepare(job)
    return plan_units(job, prepared.source, prepared.fingerprints())


def settled_plan(job: Job, prepared: Prepared, store: Store) -> Plan:
    """The plan that an earlier run wrote down, or a new one if nothing was painted by it.

    Pictures and masks from which no frame was made yet may be others than they were: what could not be
    read may have been repaired.

    Raises:
        SourceError: what the finished frames were made from has changed.
    """
    source, fingerprints = prepared.source, prepared.fingerprints()
    plan = store.plan()
    if plan is None or (plan.fingerprints != fingerprints and not store.begun):
        plan = plan_units(job, source, fingerprints)
        _keep(store, plan, source)
        return plan
    earlier = plan.fingerprints
    names = earlier.keys() | fingerprints.keys()
    changed = {name for name in names if earlier.get(name) != fingerprints.get(name)}
    if not changed:
        if not (store.folder / LIST / "index.json").exists():
            _keep(store, plan, source)  # somebody deleted it
        return plan
    anew = replace(plan, fingerprints=fingerprints)
    frames = source.frames
    places = [frames.index(frame) for frame in _committed(store) if frame in frames]
    for key in changed & prepared.masks.keys():
        before, now = earlier.get(key, ""), fingerprints[key]
        if all(mask_piece(before, place) == mask_piece(now, place) for place in places):
            changed.remove(key)
    if changed and DATES in fingerprints and changed <= {"input.path", DATES}:
        anew = plan_units(job, source, fingerprints)
        listed = _listed(store)
        if anew.total == plan.total and (changed == {DATES} or _same_names(source, listed)):
            # What is in the files decides: they may have been copied elsewhere, too.
            pictures = list(_changed_pictures(source, store, listed))
            same = (anew.shots, anew.units) == (plan.shots, plan.units) and not pictures
            changed = set() if same else {f"input.path ({some(pictures) or 'its cuts'})"}
    if changed:
        raise SourceError(
            f"{', '.join(sorted(changed - {DATES}))} changed since {store.folder} was begun; change "
            "it back, choose another output.path, or start over with --fresh"
        )
    _keep(store, anew, source)
    return anew


def _keep(store: Store, plan: Plan, source: ImageSource | MovingSource) -> None:
    """Write the plan down, and before it the list of pictures that it is for."""
    if isinstance(source, ImageSource):
        store.keep_list(source.pictures)
    store.keep_plan(plan)


def _committed(store: Store) -> list[int]:
    """Frames of which something is committed, in order."""
    return sorted({frame for frame, _ in store.stages}.union(store.records))


def _listed(store: Store) -> Manifest | None:
    """The list of pictures that was kept; `None`: it is lost, or there never was one."""
    try:
        return Manifest(store.folder / LIST)
    except SourceError:
        return None


def _same_names(source: ImageSource | MovingSource, listed: Manifest | None) -> bool:
    """Whether pictures are called as before, and so are their results; a sequence has only numbers."""
    if not isinstance(source, ImageSource):
        return True
    if listed is None or len(listed) != len(source.pictures):
        return False
    return all(old.name == new.name for old, new in zip(listed, source.pictures, strict=True))


def _changed_pictures(
    source: ImageSource | MovingSource, store: Store, listed: Manifest | None
) -> Iterator[str]:
    """Names of pictures that are not those from which committed frames were made."""
    for frame in _committed(store):
        stages = (record for (of, _), record in store.stages.items() if of == frame)
        record = store.records[frame] if frame in store.records else next(stages)
        digest = source.digest(frame)
        if digest is not None:
            same = record.info.get("source") == digest
        else:  # in object storage stamps follow the content
            now = source.pictures[frame] if isinstance(source, ImageSource) else None
            same = listed is not None and listed[frame] == now
        if not same:
            yield source.name(frame)


def some(names: Sequence[str]) -> str:
    """The first of the names, for a message."""
    return ", ".join(names[:MOST_NAMED]) + (", ..." if len(names) > MOST_NAMED else "")
