"""From a job file to a `Job`, and back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath

import yaml
from pydantic import ValidationError

from render.errors import JobError, Problem
from render.spec.document import Document, Found, shown
from render.spec.explain import explain
from render.spec.extends import read_job_file
from render.spec.job import Job
from render.spec.overrides import apply_overrides
from render.spec.scalars import SCALARS, TAG
from render.spec.study import study_problems


def load_job(path: str | Path, overrides: Sequence[str] = ()) -> Job:
    """Read and check a job file.

    Args:
        path: the file; paths in it are relative to its folder.
        overrides: `key=value` each, applied in order; paths in them are relative to the current
            folder.

    Raises:
        JobError: the file cannot be read, or it or an override is wrong; with every problem found,
            in the order of the file and then of the overrides.
    """
    path = Path(path)
    return build_job(read_job_file(path), overrides, path.parent)


def build_job(document: Document, overrides: Sequence[str], folder: Path) -> Job:
    """Check a job that has been read, or made as plain data.

    Args:
        document: the job's keys and values.
        overrides: as for `load_job`.
        folder: what paths in the document are relative to.

    Raises:
        JobError: as for `load_job`.
    """
    if not isinstance(document.data, dict):
        found = "an empty file" if document.data is None else shown(document.data)
        allowed = "a mapping: lines of `key: value`, with a space after the colon"
        raise JobError([Problem(document.place(()).text, "", found, allowed)])
    document = apply_overrides(document, overrides)
    problems: list[Found] = list(document.problems)
    try:
        job = Job.model_validate(document.data, context={"folder": folder.absolute()})
    except ValidationError as error:
        told = {place for place, _ in problems}
        problems += [each for each in explain(error, document) if each[0] not in told]
    else:
        problems += study_problems(job, document)
    if problems:
        raise JobError([problem for _, problem in sorted(problems, key=lambda found: found[0])])
    return job


class _Dumper(yaml.SafeDumper):
    """Quotes text that YAML 1.1, which PyYAML knows, or 1.2 would take for something else."""


def _represent_text(dumper: _Dumper, value: object) -> yaml.ScalarNode:
    """Line breaks of every kind as escapes, because PyYAML folds some of them away otherwise."""
    text = str(value)
    return dumper.represent_scalar(f"{TAG}str", text, None if text.isprintable() else '"')


for _tag, _scalar in SCALARS.items():
    _Dumper.add_implicit_resolver(TAG + _tag, _scalar.form, None)
_Dumper.add_multi_representer(PurePath, _represent_text)
_Dumper.add_multi_representer(str, _represent_text)
_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(tuple, yaml.SafeDumper.represent_list)


def dump_job(job: Job) -> str:
    """The job as a job file with every key and absolute paths, which loads as an equal job."""
    return yaml.dump(
        job.model_dump(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000
    )
