"""The JSON Schema: what editors check a job file against."""

import json
from pathlib import Path

import jsonschema
import pytest

from render.errors import JobError
from render.spec.load import load_job
from render.spec.reader import read_yaml
from render.spec.schema import job_schema

JOBS = Path(__file__).parent.parent / "jobs"

validator = jsonschema.Draft202012Validator(job_schema())

VALID = {
    "input": {"kind": "video", "path": "clip.mp4"},
    "output": {"path": "out.mp4"},
    "style": {"images": [{"path": "a.jpg"}]},
}


def accepts(changes):
    return validator.is_valid({**VALID, **changes})


def test_it_is_a_schema_itself():
    jsonschema.Draft202012Validator.check_schema(job_schema())


def test_the_file_beside_the_jobs_is_up_to_date():
    text = (JOBS / "job.schema.json").read_text()
    assert text == json.dumps(job_schema(), indent=2) + "\n", "write it anew: render schema"


@pytest.mark.parametrize("path", sorted(JOBS.glob("*.yaml")), ids=lambda path: path.name)
def test_every_job_that_comes_along_names_and_fits_it(path):
    text = path.read_text()
    assert text.startswith("# yaml-language-server: $schema=job.schema.json\n")
    validator.validate(read_yaml(text, path.name).data)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"input": {"kind": "video", "path": "a", "frames": 5}},
        {"input": {"kind": "video", "path": "a", "frames": "0-119x2", "cuts": []}},
        {"input": {"kind": "images", "path": "a", "pattern": "*.png"}},
        {"model": {"weights": "procedural"}},
        {"model": {"weights": "my/weights.pth"}},
        {"farm": {"workers": "auto"}},
        {"farm": {"workers": 3, "gpus_per_worker": 0.5, "address": None}},
    ],
)
def test_valid_jobs_are_accepted(changes, tmp_path):
    assert accepts(changes)
    job = tmp_path / "job.yaml"
    job.write_text(json.dumps({**VALID, **changes}))
    load_job(job)


@pytest.mark.parametrize(
    "changes",
    [
        {"engine": "turbo"},
        {"unknown": 1},
        {"input": {"kind": "audio", "path": "a"}},
        {"input": {"path": "a"}},
        {"input": {"kind": "images", "path": "a", "frames": 5}},
        {"input": {"kind": "video", "path": "a", "frames": "first ten"}},
        {"style": {"images": []}},
        {"style": {"images": [{"path": "a"}], "layers": {"relu9_9": 1}}},
        {"farm": {"workers": 0}},
        {"optimize": {"evaluations": "100"}},
    ],
)
def test_an_editor_marks_what_the_program_would_refuse(changes, tmp_path):
    assert not accepts(changes)
    job = tmp_path / "job.yaml"
    job.write_text(json.dumps({**VALID, **changes}))
    with pytest.raises(JobError):
        load_job(job)


def test_a_file_that_extends_another_may_leave_out_what_that_one_says():
    assert validator.is_valid({"extends": "a.yaml", "style": {"weight": 4}, "input": {"frames": 5}})
    assert not validator.is_valid({"extends": "a.yaml", "style": {"wieght": 4}})
    assert not validator.is_valid({"extends": "a.yaml", "style": {"images": [{"weight": 4}]}})


def test_every_key_is_described():
    schema = job_schema()
    sections = {"Job": schema, **schema["$defs"]}
    for name, section in sections.items():
        for key, value in section.get("properties", {}).items():
            assert "description" in value or "$ref" in value, f"{name}.{key}"


def test_nothing_of_this_machine_is_in_it():
    text = json.dumps(job_schema())
    assert str(Path.home()) not in text
    assert str(Path.cwd()) not in text


def test_callers_cannot_change_it_for_each_other():
    job_schema()["properties"].clear()
    assert "input" in job_schema()["properties"]
