"""Laws of loading: whatever a file holds is a job or has problems, and a job can be written down."""

import json
from pathlib import Path

from conftest import JOB_TEXT as JOB
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from render.errors import JobError
from render.spec.document import Document
from render.spec.load import build_job, dump_job
from render.spec.reader import read_yaml
from render.spec.schema import job_schema

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
tricky = st.sampled_from(
    ["1e-3", "yes", "0o7", "~x", "1:30", "null", "5", " a ", "a: b", "#", "=", "<<"]
)
weights = st.floats(0, 1e6)
layers = st.dictionaries(st.sampled_from(["relu1_1", "conv2_1", "relu5_1"]), weights, min_size=1)
layers = layers.filter(lambda chosen: any(chosen.values()))
path_texts = (texts | tricky).filter(lambda text: not text.startswith("~"))
jobs = st.fixed_dictionaries(
    {
        "input": st.fixed_dictionaries(
            {"kind": st.just("images"), "path": path_texts}, optional={"pattern": texts | tricky}
        )
        | st.fixed_dictionaries(
            {"kind": st.just("video"), "path": path_texts},
            optional={
                "frames": st.sampled_from(["0-9", "5", "3-", 7]),
                "cuts": st.none() | st.lists(st.integers(1, 999), max_size=3),
            },
        ),
        "output": st.fixed_dictionaries(
            {"path": path_texts}, optional={"size": st.none() | st.integers(32, 4096)}
        ),
        "style": st.fixed_dictionaries(
            {
                "images": st.lists(
                    st.fixed_dictionaries({"path": path_texts}), min_size=1, max_size=2
                )
            },
            optional={"layers": layers, "weight": weights, "scale": st.floats(1e-9, 4)},
        ),
    },
    optional={
        "model": st.fixed_dictionaries(
            {}, optional={"weights": st.sampled_from(["imagenet", "procedural"]) | path_texts}
        ),
        "farm": st.fixed_dictionaries(
            {},
            optional={
                "workers": st.just("auto") | st.integers(1, 99),
                "gpus_per_worker": st.just("auto") | st.floats(0, 16),
                "address": st.none() | texts | tricky,
            },
        ),
        "seed": st.integers(0, 2**63 - 1),
    },
)
FOLDER = Path("/some/folder")
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@unhurried
@given(jobs)
def test_a_dumped_job_loads_as_an_equal_job_from_anywhere(data):
    job = build_job(Document("data", data), [], FOLDER)
    text = dump_job(job)
    assert build_job(read_yaml(text, "dumped"), [], Path("/elsewhere")) == job
    assert dump_job(job) == text


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | tricky | st.just(2**70),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(texts | tricky, inside, max_size=3),
    max_leaves=4,
)  # fmt: skip


def keys_of(schema, above=()):
    """Paths of all keys that the schema knows."""
    definitions = job_schema()["$defs"]
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    for choice in [schema, *schema.get("oneOf", []), *schema.get("anyOf", [])]:
        if choice is not schema:
            yield from keys_of(choice, above)
        for name, inside in choice.get("properties", {}).items():
            yield (*above, name)
            yield from keys_of(inside, (*above, name))


KEYS = sorted(set(keys_of(job_schema())))


@unhurried
@given(jobs, st.lists(st.tuples(st.sampled_from(KEYS), junk), min_size=1, max_size=3), st.data())
def test_a_job_with_anything_at_any_key_is_a_job_or_has_problems(data, changes, draw):
    document = read_yaml(json.dumps(data), "job.yaml")
    for path, value in changes:
        here = document.data
        for part in path[:-1]:
            here = here[part] if isinstance(here.get(part), dict) else here.setdefault(part, {})
            if not isinstance(here, dict):
                break
        else:
            if draw.draw(st.booleans()):
                here[path[-1]] = value
            else:
                here.pop(path[-1], None)
    try:
        job = build_job(document, [], FOLDER)
    except JobError as error:
        lines = str(error).split("\n")
        assert len(lines) == len(error.problems) == len(set(lines))  # noqa: PT017
    else:
        assert build_job(read_yaml(dump_job(job), "dumped"), [], FOLDER) == job


@unhurried
@given(st.integers(0, len(JOB)), st.integers(0, 12), st.text(max_size=8))
def test_a_job_file_with_a_splotch_on_it_is_a_job_or_has_problems(start, length, splotch):
    text = JOB[:start] + splotch + JOB[start + length :]
    try:
        build_job(read_yaml(text, "job.yaml"), [], FOLDER)
    except JobError as error:
        assert str(error).startswith("job.yaml")  # noqa: PT017
