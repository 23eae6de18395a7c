"""Loading a job: every problem is told at once, each with place, key, finding and what is allowed."""

import dataclasses
import re
from pathlib import Path

import pytest
from conftest import JOB_TEXT as JOB

from render.errors import JobError
from render.spec.document import Document
from render.spec.job import Job
from render.spec.load import build_job, dump_job, load_job
from render.spec.reader import MAX_BYTES, read_yaml


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a job file into `jobs/` of a folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    Path("jobs").mkdir()

    def write_text(text=JOB):
        path = Path("jobs/job.yaml")
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write_text


@pytest.fixture
def problems(write):
    """The problems of a job file as tuples, with `where` less the file's path."""

    def load(text, *overrides):
        with pytest.raises(JobError) as caught:
            load_job(write(text), overrides)
        told = [dataclasses.astuple(problem) for problem in caught.value.problems]
        return [(where.removeprefix("jobs/job.yaml:"), *rest) for where, *rest in told]

    return load


# --- what is right ------------------------------------------------------------------------------


def test_paths_are_relative_to_the_job_file(write, tmp_path):
    job = load_job(write())
    assert job.input.path == tmp_path / "jobs/clip.mp4"
    assert job.output.path == tmp_path / "out/clip.mp4"
    assert job.style.images[0].path == tmp_path / "jobs/a.jpg"


def test_paths_in_overrides_are_relative_to_the_current_folder(write, tmp_path):
    job = load_job(write(), ["input.path=other.mp4", "style.images=[{path: b.jpg}]"])
    assert job.input.path == tmp_path / "other.mp4"
    assert job.style.images[0].path == tmp_path / "b.jpg"
    assert job.output.path == tmp_path / "out/clip.mp4"


def test_absolute_paths_and_the_home_folder_stay_where_they_are(write, monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    job = load_job(write(JOB.replace("clip.mp4\n  frames", "~/clip.mp4\n  frames")))
    assert job.input.path == Path("/home/somebody/clip.mp4")
    assert load_job(write(), ["input.path=/a/b.mp4"]).input.path == Path("/a/b.mp4")


def test_dots_in_a_path_follow_links_as_the_system_does(write, tmp_path):
    (tmp_path / "real/deep").mkdir(parents=True)
    (tmp_path / "jobs/link").symlink_to(tmp_path / "real/deep")
    job = load_job(write(JOB.replace("clip.mp4\n  frames", "link/../clip.mp4\n  frames")))
    assert job.input.path == tmp_path / "real/clip.mp4"


def test_a_job_can_be_built_from_plain_data_too(tmp_path):
    data = {
        "input": {"kind": "images", "path": "a.jpg"},
        "output": {"path": "out"},
        "style": {"images": [{"path": "b.jpg"}]},
    }
    job = build_job(Document("command line", data), ["seed=3"], tmp_path)
    assert (job.input.path, job.seed) == (tmp_path / "a.jpg", 3)
    with pytest.raises(JobError, match="command line: optimise: found an unknown key"):
        build_job(Document("command line", {**data, "optimise": {}}), [], tmp_path)


# --- what is wrong ------------------------------------------------------------------------------


# What is changed in JOB, and the problem that this makes; "..." stands for any text.
MISTAKES = r"""
evaluations => evalutions
    13:3: optimize.evalutions: found an unknown key
    allowed: ...; did you mean evaluations?

farm: => seeed: 1\nfarm:
    14:1: seeed: found an unknown key
    allowed: version, extends, preset, input, output, ...; did you mean seed?

farm: => frames: 5\nfarm:
    14:1: frames: found an unknown key
    allowed: version, extends, preset, input, output, ...; did you mean input.frames?

farm:\n  workers: auto => style_weight: 1
    14:1: style_weight: found an unknown key
    allowed: version, extends, preset, input, output, style, ... and study

kind: video => kind: images
    5:3: input.frames: found an unknown key
    allowed: kind, path and pattern; frames goes with another kind of input

kind: video => kind: vidoe
    3:9: input.kind: found the text 'vidoe'
    allowed: video or images

  kind: video\n =>
    2:1: input.kind: found nothing
    allowed: video or images (this key is needed)

  path: clip.mp4\n =>
    2:1: input.path: found nothing
    allowed: a path (this key is needed)

path: a.jpg => weight: 1
    11:7: style.images.0.path: found nothing
    allowed: a path (this key is needed)

- path: a.jpg => - a.jpg
    11:7: style.images.0: found the text 'a.jpg'
    allowed: a mapping with the keys path and weight

- path: a.jpg =>   path: a.jpg
    11:7: style.images: found a mapping of path
    allowed: a list with at least one item, each a mapping with the keys path and weight

\n    - path: a.jpg =>  []
    10:11: style.images: found a list of 0 items
    allowed: a list with at least one item, each a mapping with the keys path and weight

path: clip.mp4 => path:
    4:8: input.path: found nothing
    allowed: a path

path: clip.mp4 => path: ''
    4:9: input.path: found the text '' (not a path)
    allowed: a path

path: clip.mp4 => path: ~no such user/x
    4:9: input.path: found the text '~no such user/x' (no such home folder)
    allowed: a path

path: clip.mp4 => path: "a\x00b"
    4:9: input.path: found the text 'a\x00b' (not a path)
    allowed: a path

0-10 => 10-0
    5:11: input.frames: found the text '10-0' (ends before it starts)
    allowed: a range such as 0-119, 24-, 0-119x2 (every second frame), or one number

0-10 => [1, 2]
    5:11: input.frames: found a list of 2 items (not a range)
    allowed: a range such as ...

256 => 5
    8:9: output.size: found 5
    allowed: a whole number from 32 to 16384, or nothing

100 => 0
    13:16: optimize.evaluations: found 0
    allowed: a whole number ≥ 1

100 => 1.5
    13:16: optimize.evaluations: found 1.5
    allowed: a whole number ≥ 1

100 => '100'
    13:16: optimize.evaluations: found the text '100'
    allowed: a whole number ≥ 1

100 => true
    13:16: optimize.evaluations: found true
    allowed: a whole number ≥ 1

100 => {a: 1}
    13:16: optimize.evaluations: found a mapping of a
    allowed: a whole number ≥ 1

auto => 0
    15:12: farm.workers: found 0
    allowed: a whole number ≥ 1 or auto

auto => many
    15:12: farm.workers: found the text 'many'
    allowed: a whole number ≥ 1 or auto

workers: auto => address: 5
    15:12: farm.address: found 5
    allowed: text, or nothing

\n  workers: auto =>
    14:6: farm: found nothing
    allowed: a mapping with the keys workers, ..., or no such key at all

\n  workers: auto =>  5
    14:7: farm: found 5
    allowed: a mapping with the keys workers, ... and ...

images: => scale: .nan\n  images:
    10:10: style.scale: found nan
    allowed: a number > 0 and ≤ 4, not infinite

    - path: a.jpg =>     -
    11:6: style.images.0: found nothing
    allowed: a mapping with the keys path and weight

images: => layers: {"a\x0ab": 1}\n  images:
    10:12: style.layers.a\nb: found the key a\nb (unknown layer)
    allowed: relu1_1 to relu5_4, or conv1_1 to conv5_4

images: => layers: {relu6_1: 1}\n  images:
    10:12: style.layers.relu6_1: found the key relu6_1 (unknown layer)
    allowed: relu1_1 to relu5_4, or conv1_1 to conv5_4

images: => layers: {relu1_1: 0}\n  images:
    10:11: style.layers: found a mapping of relu1_1 (no weight)
    allowed: at least one layer with a weight above 0

images: => layers: {relu1_1: x}\n  images:
    10:21: style.layers.relu1_1: found the text 'x'
    allowed: a number ≥ 0

images: => layers: 5\n  images:
    10:11: style.layers: found 5
    allowed: a mapping from names to a number ≥ 0

farm: => model: {arch: vgg16}\ncontent: {layers: {relu3_4: 1}}\nfarm:
    15:20: content.layers.relu3_4: found the key relu3_4 (not in this architecture)
    allowed: a layer of vgg16, whose blocks 1 to 5 have 2, 2, 3, 3, 3 convolutions

farm: => model: {weights: 5}\nfarm:
    14:18: model.weights: found 5
    allowed: imagenet, procedural or a path

size: 256 => bitrate: 8 MB
    8:12: output.bitrate: found the text '8 MB'
    allowed: mean bits a second, such as `8M`, ...

size: 256 => name: ''
    8:9: output.name: found the text ''
    allowed: text that is not empty

farm: => engine: turbo\nfarm:
    14:9: engine: found the text 'turbo'
    allowed: vgg or passthrough

farm: => seed: -1\nfarm:
    14:7: seed: found -1
    allowed: a whole number from 0 to 9223372036854775807

version: 1 => version: 2
    1:10: version: found 2
    allowed: 1

version: 1 => version: true
    1:10: version: found true
    allowed: 1

version: 1 => version: 1.0
    1:10: version: found 1.0
    allowed: 1

path: clip.mp4 => path: !!python/name:os.system x
    4:9: input.path: found the tag !!python/name:os.system
    allowed: a value without it

farm: => output: {}\nfarm:
    14:1: output: found the key a second time (first on line 6)
    allowed: every key once
"""


@pytest.mark.parametrize("mistake", MISTAKES.strip("\n").split("\n\n"))
def test_a_problem_names_place_key_finding_and_what_is_allowed(write, mistake):
    change, *expected = mistake.split("\n")
    old, new = (part.replace("\\n", "\n") for part in change.split(" =>", 1))
    path = write(JOB.replace(old, new.removeprefix(" ")))
    assert path.read_text() != JOB
    with pytest.raises(JobError) as caught:
        load_job(path)
    pattern = re.escape("; ".join(line.strip() for line in expected)).replace(r"\.\.\.", ".*")
    assert re.fullmatch(f"jobs/job.yaml:{pattern}", str(caught.value)), str(caught.value)


def test_all_problems_are_told_in_the_order_of_the_file_and_then_of_the_overrides(problems):
    text = JOB.replace("auto", "0").replace("256", "big") + "output: {}\n"
    told = problems(text, "seed=x", "engine", "input.frames=z")
    assert [where for where, *_ in told] == [
        "8:9",
        "15:12",
        "16:1",
        "override seed=x",
        "override engine",
        "override input.frames=z",
    ]


def test_a_wrong_override_is_told_as_typed_also_inside_its_value(problems):
    assert problems(JOB, "style.layers={relu1_1: -1}") == [
        (
            "override style.layers={relu1_1: -1}",
            "style.layers.relu1_1",
            "-1",
            "a number ≥ 0",
        )
    ]


def test_a_wrong_value_that_an_override_replaces_is_no_problem(write):
    assert load_job(write(JOB.replace("100", "x")), ["optimize.evaluations=7"])


def test_every_wrong_item_of_a_list_is_told(problems):
    told = problems(JOB.replace("frames: 0-10", "cuts: [0, 5, x]"))
    assert [(where, key) for where, key, *_ in told] == [
        ("5:10", "input.cuts.0"),
        ("5:16", "input.cuts.2"),
    ]


def test_everything_that_is_missing_is_told(problems):
    told = problems("version: 1\n")
    assert [(where, key) for where, key, *_ in told] == [
        ("1:1", "input"),
        ("1:1", "output"),
        ("1:1", "style"),
    ]


@pytest.mark.parametrize(
    ("text", "where", "found"),
    [
        ("", "jobs/job.yaml", "an empty file"),
        ("# nothing\n", "jobs/job.yaml", "an empty file"),
        ("- input\n", "1:1", "a list of 1 item"),
        ("version:1", "1:1", "the text 'version:1'"),
        ("a: [", "1:5", "no value here"),
        (b"\xff\xfea", "1:1", "text in UTF-16"),
        (b"a: \xe4", "1:4", "not UTF-8"),
        (b"#" * (MAX_BYTES + 5), "jobs/job.yaml", "more than 1000 kB"),
    ],
)
def test_a_file_that_is_no_mapping_is_one_problem(problems, text, where, found):
    (problem,) = problems(text)
    assert problem[0] == where
    assert found in problem[2]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("missing.yaml", "no file of this name"),
        ("jobs", "a folder"),
        ("loop", "cannot be read"),
        ("a\0b", "cannot be read"),
        ("jobs/job.yaml/x", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_problem(write, name, found):
    write()
    Path("loop").symlink_to("loop")
    with pytest.raises(JobError) as caught:
        load_job(name)
    (problem,) = caught.value.problems
    assert problem.where == name.replace("\0", "\\x00")
    assert found in problem.found


def test_messages_stay_on_their_line_whatever_stands_in_the_file(problems):
    text = JOB + '"a\\nb\\e[31m": 1\n' + f"{'k' * 500}: 1\n"
    for problem in problems(text, "x\ny=\x1b[31m"):
        assert re.fullmatch(r"[\x20-\x7e≥×]*", "".join(problem))


# --- back to YAML -------------------------------------------------------------------------------


def test_a_dumped_job_has_every_key_and_absolute_paths(write, tmp_path):
    data = read_yaml(dump_job(load_job(write())), "dumped").data
    assert data.keys() == Job.model_fields.keys() - {"extends"}  # which is done by then
    assert data["input"]["path"] == str(tmp_path / "jobs/clip.mp4")
    assert data["input"]["frames"] == "0-10"
    assert data["style"]["images"] == [{"path": str(tmp_path / "jobs/a.jpg"), "weight": 1.0}]
