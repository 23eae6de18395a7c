"""Where an output's own folder lies, and how it is found again from any name of the output."""

from pathlib import Path

import pytest

from render.errors import OutputError
from render.measuring import measure_output
from render.places import find_folder, store_folder
from render.report.facts import read_facts
from render.spec.study import expand_study
from render.store import Store


@pytest.mark.parametrize(
    ("output", "codec", "folder"),
    [
        ("clip.mp4", "h264", "clip.render"),
        ("v1.2.mp4", "h264", "v1.2.render"),
        ("frames", "frames", "frames.render"),
        ("v1.2", "frames", "v1.2.render"),
        ("v1.3", "frames", "v1.3.render"),
    ],
)
def test_outputs_of_different_names_have_folders_of_their_own(
    video_job, tmp_path, output, codec, folder
):
    job = video_job(f"output.codec={codec}", output=output)
    assert store_folder(job) == tmp_path / folder
    with Store(job):
        pass
    assert find_folder(job.output.path) == find_folder(tmp_path / folder) == tmp_path / folder
    if codec == "frames":
        job.output.path.mkdir()
        assert find_folder(job.output.path) == tmp_path / folder


def test_a_folder_does_not_take_that_of_another_for_its_own(video_job, tmp_path):
    with Store(video_job("output.codec=frames", output="v1")):
        pass
    (tmp_path / "v1.2").mkdir()
    with pytest.raises(OutputError, match=r"v1\.2: no output of render"):
        find_folder(tmp_path / "v1.2")


def test_cells_of_a_study_of_numbered_frames_have_the_whole_name(video_job, tmp_path):
    grid = "study={seed: [1, 2]}"
    first, _ = expand_study(video_job("output.codec=frames", grid, output="v1.2"))
    assert first.job.output.path == tmp_path / "v1.2.study/000-seed-1"


def test_a_folder_is_found_from_within(video_job, tmp_path, monkeypatch):
    job = video_job("output.codec=frames", output="frames")
    with Store(job):
        pass
    job.output.path.mkdir()
    (tmp_path / "frames" / "sub").mkdir()
    for here, name in (("frames", "."), ("frames.render", "."), ("frames/sub", "..")):
        monkeypatch.chdir(tmp_path / here)
        assert find_folder(Path(name)) == tmp_path / "frames.render"


@pytest.mark.parametrize("look", [read_facts, measure_output])
@pytest.mark.parametrize("name", [".", "/", ".."])
def test_where_nothing_was_rendered_that_is_said(tmp_path, monkeypatch, look, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="no output of render"):
        look(Path(name))


def test_the_root_of_all_files_is_no_place_for_a_film(video_job):
    with pytest.raises(OutputError, match=r"output\.path: / has no name"):
        store_folder(video_job("output.codec=frames", output="/"))
