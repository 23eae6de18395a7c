"""Files that a job names and that are not there are told by key."""

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


def test_a_name_that_no_disk_can_have_is_missing(video_job, tmp_path):
    path = tmp_path / ("long" * 70)
    assert missing_files(video_job(f"input.path={path}")) == {"input.path": str(path)}


def test_names_that_stand_for_many_and_urls_are_not_looked_for(video_job, tmp_path):
    job = video_job(f"style.regions=[{{content: {tmp_path}/sky_%06d.png}}]")
    assert missing_files(job) == {}
    assert missing_files(video_job("style.images=[{path: 's3://bucket/a.png'}]")) == {}
