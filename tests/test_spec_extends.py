"""Job files that extend others."""

import pickle

import pytest

from render.errors import JobError
from render.spec.load import load_job

BASE = """\
input: {kind: images, path: photos}
output: {path: out, size: 256}
style:
  images: [{path: a.jpg}]
  layers: {relu1_1: 1, relu2_1: 1}
"""


@pytest.fixture
def write(tmp_path):
    def make(name, text):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    make("shared/base.yaml", BASE)
    return make


def problems(path):
    with pytest.raises(JobError) as caught:
        load_job(path)
    return [str(problem) for problem in caught.value.problems]


def test_sections_are_merged_and_layers_are_replaced(write):
    path = write(
        "job.yaml", "extends: shared/base.yaml\nstyle: {layers: {relu3_1: 1}, weight: 2}\n"
    )
    job = load_job(path)
    assert dict(job.style.layers) == {"relu3_1": 1}
    assert (job.style.weight, job.output.size) == (2, 256)
    assert job.style.images[0].path.name == "a.jpg"


def test_paths_stay_relative_to_the_file_that_they_stand_in(write, tmp_path):
    job = load_job(write("job.yaml", "extends: shared/base.yaml\noutput: {path: mine}\n"))
    assert job.input.path == tmp_path / "shared/photos"
    assert job.output.path == tmp_path / "mine"


def test_another_kind_of_input_replaces_the_whole_section(write):
    text = "extends: shared/base.yaml\ninput: {kind: video, path: c.mp4}\noutput: {path: c.mp4}\n"
    assert load_job(write("job.yaml", text)).input.kind == "video"


def test_files_extend_files_that_extend_files(write):
    write("second.yaml", "extends: shared/base.yaml\nseed: 4\n")
    assert load_job(write("third.yaml", "extends: second.yaml\n")).seed == 4


def test_an_error_in_the_extended_file_names_that_file(write, tmp_path):
    write("bad.yaml", BASE + "seed: many\n")
    path = write("job.yaml", "extends: bad.yaml\n")
    (problem,) = problems(path)
    assert problem.startswith(f"{tmp_path / 'bad.yaml'}:6:7: seed: found the text 'many'")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("extends: none.yaml\n", "job.yaml:1:10: extends: found no file at"),
        ("extends: 5\n", "job.yaml:1:10: extends: found 5"),
        ("extends: ~nosuchuser/a.yaml\n", "job.yaml:1:10: extends: found the text '~nosuchuser"),
        ("extends: loop.yaml\n", "job.yaml:1:10: extends: found the text 'loop.yaml'"),
        ('extends: "a\\0b.yaml"\n', "job.yaml:1:10: extends: found the text"),
        (f"extends: {'a' * 300}\n", "job.yaml:1:10: extends: found the text 'aaa"),
        ("extends: job.yaml\n", "which extends this file"),
    ],
)
def test_what_cannot_be_extended_is_told_where_it_stands(write, tmp_path, text, told):
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    (problem,) = problems(write("job.yaml", text))
    assert told in problem


def test_two_files_that_extend_each_other_are_refused(write):
    write("a.yaml", "extends: b.yaml\n")
    (problem,) = problems(write("b.yaml", "extends: a.yaml\n"))
    assert "which extends this file" in problem


def test_extends_on_the_command_line_is_refused(write):
    with pytest.raises(JobError, match="first line of a job file"):
        load_job(write("job.yaml", BASE), ["extends=shared/base.yaml"])


def test_a_job_that_extends_another_can_be_sent_to_a_worker(write):
    job = load_job(write("job.yaml", "extends: shared/base.yaml\nstudy: {input.path: [a.jpg]}\n"))
    assert pickle.loads(pickle.dumps(job)) == job
    assert pickle.loads(pickle.dumps(job)).study["input.path"][0].folder.is_absolute()
