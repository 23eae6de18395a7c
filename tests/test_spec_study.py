"""Studies and presets in job files, and their errors."""

import pytest

from render.errors import JobError
from render.spec.load import dump_job, load_job
from render.spec.study import expand_study

JOB = """\
input: {kind: images, path: photos}
output: {path: out}
style: {images: [{path: a.jpg}]}
"""


@pytest.fixture
def job_of(tmp_path):
    def load(more, *overrides):
        path = tmp_path / "job.yaml"
        path.write_text(JOB + more)
        return load_job(path, overrides)

    return load


def problems(load, *arguments):
    with pytest.raises(JobError) as caught:
        load(*arguments)
    return [str(problem) for problem in caught.value.problems]


def test_a_study_is_a_grid_whose_last_key_varies_fastest(job_of):
    cells = expand_study(job_of("study: {style.weight: [1, 2], seed: [5, 6, 7]}\n"))
    assert [(cell.job.style.weight, cell.job.seed) for cell in cells] == [
        (1, 5), (1, 6), (1, 7), (2, 5), (2, 6), (2, 7),
    ]  # fmt: skip
    assert [cell.label for cell in cells][:2] == [
        "style.weight 1, seed 5",
        "style.weight 1, seed 6",
    ]
    assert len({cell.job.output.path for cell in cells}) == 6
    assert not any(cell.job.study for cell in cells)


def test_cells_with_other_weights_have_the_content_layers_of_those_weights(job_of):
    study = "study: {model.weights: [procedural, imagenet]}\n"
    for job in (job_of(study), job_of(study, "model.weights=procedural")):
        cells = expand_study(job)
        alone = [job_of("", f"model.weights={each}") for each in ("procedural", "imagenet")]
        assert [cell.job.content.layers for cell in cells] == [one.content.layers for one in alone]
    (cell, _) = expand_study(job_of(study, "content.layers={relu3_1: 2}"))
    assert cell.job.content.layers == {"relu3_1": 2}


def test_of_many_layers_the_label_names_the_first_and_the_last(job_of):
    layers = {f"relu{n}_1": 1 for n in range(1, 6)}
    (cell,) = expand_study(job_of(f"study: {{style.layers: [{layers}]}}\n"))
    assert cell.label == "relu1_1 … relu5_1"


def test_files_of_a_pattern_are_values_relative_to_the_job_file(job_of, tmp_path):
    (tmp_path / "styles").mkdir()
    for name in ("b.jpg", "a.jpg", "note.txt"):
        (tmp_path / "styles" / name).touch()
    cells = expand_study(job_of('study: {style.images.0.path: {files: "styles/*.jpg"}}\n'))
    assert [cell.job.style.images[0].path for cell in cells] == [
        tmp_path / "styles" / name for name in ("a.jpg", "b.jpg")
    ]
    assert [cell.label for cell in cells] == ["a", "b"]


def test_paths_in_cells_are_relative_to_the_job_file(job_of, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    (cell,) = expand_study(job_of("study: {input.path: [one.jpg]}\n"))
    assert cell.job.input.path == tmp_path / "one.jpg"


@pytest.mark.parametrize(
    ("study", "place", "told"),
    [
        ("  style.layers: [{relu9_9: 1}]", "5:19", "relu9_9"),
        ("  style.weight: [1, heavy]", "5:21", "style.weight: found the text 'heavy'"),
        ("  style.wieght: [1]", "5:18", "style.wieght"),
        ("  style.images.3.path: [a.jpg]", "5:25", "style.images.3"),
        ("  farm.workers: [1, 2]", "5:3", "a setting that paints"),
        ('  style.images.0.path: {files: "none/*.jpg"}', "5:3", "no files of such names"),
        ('  style.images.0.path: {files: "a**.jpg"}', "5:3", "a pattern that cannot be used"),
        ("  style.images.0.path: {files: /}", "5:3", "a pattern that cannot be used"),
        ("  output: [5]", "5:12", "output: found 5"),
        ("  output: [a]", "5:12", "output: found the text 'a'"),
        ("  output: [[]]", "5:12", "output: found a list of 0 items"),
        ("  style.weight: []", "5:17", "at least one item"),
    ],
)
def test_a_wrong_cell_is_told_with_its_line_and_column(job_of, study, place, told):
    (problem,) = problems(job_of, f"study:\n{study}\n")
    assert f"job.yaml:{place}: " in problem
    assert told in problem


def test_a_grid_beyond_all_patience_is_refused(job_of):
    numbers = list(range(40))
    (problem,) = problems(job_of, f"study: {{seed: {numbers}, style.weight: {numbers}}}\n")
    assert "1600 cells" in problem


def test_a_preset_fills_in_what_the_file_does_not_say(job_of):
    job = job_of("preset: preview\noptimize: {evaluations: 33}\n")
    assert (job.optimize.evaluations, job.optimize.warm_evaluations) == (33, 20)
    assert job.output.size == 256
    assert job_of("preset: standard\n").optimize == job_of("").optimize
    assert job_of("", "preset=fine").optimize.evaluations == 600


def test_an_unknown_preset_is_told_with_those_that_there_are(job_of):
    (problem,) = problems(job_of, "preset: best\n")
    assert "job.yaml:4:9: preset: found the text 'best'" in problem
    assert "preview, standard or fine" in problem


def test_a_job_with_a_preset_survives_being_written_down(job_of, tmp_path):
    job = job_of("preset: fine\n")
    path = tmp_path / "resolved.yaml"
    path.write_text(dump_job(job))
    assert load_job(path) == job
