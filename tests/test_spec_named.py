"""Files that a job names and that are not there are told by key."""

from pathlib import Path

import pytest

from render.spec.named import missing_files


def test_of_a_job_whose_files_are_there_nothing_is_missing(video_job):
    assert missing_files(video_job()) == {}


@pytest.mark.parametrize(
    ("setting", "key"),
    [
        ("input.path={}", "input.path"),
        ("style.images=[{{path: {}}}]", "style.images.0.path"),
        ("style.regions=[{{content: {}}}]", "style.regions.0.content"),
        ("model.weights={}", "model.weights"),
        ("optimize.start={}", "optimize.start"),
    ],
)
def test_what_is_missing_is_named(video_job, tmp_path, setting, key):
    missing = tmp_path / "none.png"
    assert missing_files(video_job(setting.format(missing))) == {key: str(missing)}


def test_what_lies_in_a_folder_that_may_not_be_looked_into_is_missing(video_job, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    job = video_job()
    monkeypatch.setattr(Path, "exists", refuse)
    assert missing_files(job)["input.path"] == str(job.input.path)


def test_names_that_stand_for_many_and_urls_are_not_looked_for(video_job, tmp_path):
    job = video_job(f"style.regions=[{{content: {tmp_path}/sky_%06d.png}}]")
    assert missing_files(job) == {}
    assert missing_files(video_job("style.images=[{path: 's3://bucket/a.png'}]")) == {}
